"use strict";
(() => {
  const all = (selector, root) => [...(root || document).querySelectorAll(selector)];
  const make = (tag, words) => Object.assign(document.createElement(tag), words);

  // Long parts were open for readers without this script.
  const folds = all("details");
  for (const fold of folds) fold.open = false;
  addEventListener("beforeprint", () => folds.forEach((fold) => (fold.open = true)));

  // A mark of a timeline opens its step; an open step shows its mark.
  const stepOf = (mark) => {
    const text = document.getElementById(mark.getAttribute("href").slice(1));
    return text && text.closest(".step");
  };
  const show = (article, step, mark) => {
    for (const each of all(".current", article)) each.classList.remove("current");
    if (!step) return;
    step.classList.add("current");
    if (mark) mark.classList.add("current");
  };
  for (const article of all("article")) {
    const marks = all(".mark", article);
    marks.forEach((mark, index) => {
      const step = stepOf(mark);
      const open = (event) => {
        event.preventDefault();
        const fold = step && step.querySelector("details");
        const opened = fold && !(fold.open && mark.classList.contains("current"));
        for (const other of all(".step details", article)) other.open = false;
        if (fold) fold.open = opened;
        show(article, opened || !fold ? step : null, mark);
        if (step && opened) step.scrollIntoView({ block: "nearest" });
      };
      mark.addEventListener("click", open);
      mark.addEventListener("keydown", (event) => {
        const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (event.key === " ") open(event);
        if (event.key === "Escape") {
          for (const other of all(".step details", article)) other.open = false;
          show(article, null, null);
        }
        if (move) {
          event.preventDefault();
          marks[(index + move + marks.length) % marks.length].focus();
        }
      });
      if (step) {
        const summary = step.querySelector("summary");
        if (summary) summary.addEventListener("click", () => show(article, step, mark));
      }
    });
  }

  // A link to something that is folded opens it.
  const reveal = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const fold = target && target.closest("details");
    if (fold) fold.open = true;
    if (target) target.scrollIntoView({ block: "nearest" });
  };
  addEventListener("hashchange", reveal);
  reveal();

  // Theme and filter: nothing without this script, so made by it.
  const tools = make("div", { className: "tools" });
  const theme = make("button", { type: "button", textContent: "Light / dark" });
  theme.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  const rows = all(".list li");
  if (rows.length > 1) {
    const filter = make("input", { type: "search", placeholder: "Filter findings" });
    filter.setAttribute("aria-label", "Filter findings");
    const articles = all("article");
    filter.addEventListener("input", () => {
      const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      articles.forEach((article, index) => {
        const text = article.textContent.toLowerCase();
        const hide = !wanted.every((word) => text.includes(word));
        article.hidden = rows[index].hidden = hide;
      });
    });
    tools.append(filter);
  }
  tools.append(theme);
  document.querySelector("header").prepend(tools);
})();

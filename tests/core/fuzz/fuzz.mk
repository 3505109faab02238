# Included by ../Makefile. The tiny heap under ASan and UBSan, driven by bytes.
#
#   make fuzz SECONDS=60      libFuzzer, which wants clang; what it finds lands in build/core/fuzz/found-*
#   make fuzz-plain RUNS=400  random sequences, with any compiler; fuzz-short is the same with few
#   build/core/asan/fuzz_plain FILE      plays what was found again

FUZZ_FLAGS := -O1 -DHF_TINY -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CORPUS := $(BUILD)/fuzz/corpus

$(BUILD)/asan/fuzz_%.o: fuzz/%.c fuzz/operations.h $(wildcard $(CORE)/*.h *.h) fuzz/fuzz.mk
	@mkdir -p $(@D)
	$(CC) $(COMMON) -Ifuzz $(FLAGS_asan) -c $< -o $@

$(BUILD)/asan/fuzz_plain: $(BUILD)/asan/fuzz_plain.o $(BUILD)/asan/fuzz_operations.o $(BUILD)/asan/sentences.o $(BUILD)/asan/libcore.a
	$(CC) $(COMMON) $(FLAGS_asan) $^ -o $@

$(BUILD)/fuzz/fuzz: fuzz/libfuzzer.c fuzz/operations.c $(SOURCES:%=$(CORE)/%) fuzz/operations.h $(wildcard $(CORE)/*.h *.h)
	@mkdir -p $(@D)
	$(CLANG) $(COMMON) -Ifuzz $(FUZZ_FLAGS) $(filter %.c,$^) -o $@

fuzz-plain: $(BUILD)/asan/fuzz_plain
	$(LIMIT) $< --runs $(RUNS)

fuzz-short: $(BUILD)/asan/fuzz_plain
	$(LIMIT) $< --runs 100

fuzz: $(BUILD)/fuzz/fuzz
	@mkdir -p $(CORPUS)
	$< -max_total_time=$(SECONDS) -timeout=60 -max_len=1000 -rss_limit_mb=4096 -artifact_prefix=$(BUILD)/fuzz/found- $(CORPUS)

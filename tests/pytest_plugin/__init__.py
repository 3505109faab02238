"""Projects with tests, run by pytest with the plugin: what fails, what passes, and what is said."""

# What a person types. Everything real is in meson.build and tools/.
BUILD ?= build

.PHONY: all deps demo check lint fuzz bench soak vm install clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet
$(BUILD)/build.ninja:
	@tools/deps.sh build
	@meson setup $(BUILD) >/dev/null

demo: ## builds, starts Virga, runs functions in it, stops it
	@tools/deps.sh build demo
	@$(MAKE) --no-print-directory all
	@/usr/bin/python3 tools/demo.py $(BUILD)

check: ## every test; closes with "N passed, N failed"
	@tools/deps.sh build demo check
	@tools/check.sh

lint: ## the slow static checks
	@tools/deps.sh build lint
	@tools/lint.sh

FUZZ_SECONDS ?= 60
fuzz: ## every fuzz target for FUZZ_SECONDS
	@tools/deps.sh build fuzz
	@tools/fuzz.sh $(FUZZ_SECONDS)

bench: ## ratios against yardsticks measured in the same run
	@tools/deps.sh build demo
	@$(MAKE) --no-print-directory all
	@/usr/bin/python3 bench/run.py $(BUILD)

SOAK_SECONDS ?= 60
soak: ## mixed load for SOAK_SECONDS, then: is anything left behind?
	@tools/deps.sh build demo check
	@$(MAKE) --no-print-directory all
	@/usr/bin/python3 tests/soak/soak.py $(BUILD) --seconds $(SOAK_SECONDS)

vm: ## the sandbox suites on an emulated machine with control groups of version 2
	@tools/deps.sh build demo vm
	@$(MAKE) --no-print-directory all
	@tools/vm.sh $(BUILD)

install: all
	@meson install -C $(BUILD)

clean:
	@rm -rf $(BUILD) build-*

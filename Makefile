# Every target is one line; what it does is in scripts/. PYTHON may name another interpreter (3.11 or later).
PYTHON ?= python3
export MAITONG_ECG_DATA ?= ../shared/data

.PHONY: setup demo test check bench faults docs build clean

setup: ; $(PYTHON) scripts/setup.py test
demo: ; $(PYTHON) scripts/setup.py demo && .venv/bin/python -m hub.demo $(if $(RESET),--reset) $(if $(RECORD),--record "$(RECORD)") $(DEMO)
test: ; $(PYTHON) scripts/setup.py test && .venv/bin/python scripts/run_tests.py $(ARGS)
check: ; $(PYTHON) scripts/setup.py check && .venv/bin/python scripts/check.py
bench: ; $(PYTHON) scripts/setup.py bench && .tools/peers/bin/python -m tests.bench $(ARGS)
faults: ; $(PYTHON) scripts/setup.py test && .venv/bin/python -m pytest tests/faults -m faults --campaign -v $(ARGS)
docs: ; $(PYTHON) scripts/setup.py test && .venv/bin/python -m protocols.asyncapi && .venv/bin/python -m pytest tests/e2e/test_electrode_to_report.py -k pictures --pictures docs/pictures && .venv/bin/python -m ecg validate --beat-folds tests/bench/beat_folds --wave-folds tests/bench/wave_folds --report docs/VALIDATION.md --picture docs/VALIDATION.svg $(MAITONG_ECG_DATA)
build: ; $(PYTHON) scripts/setup.py demo && .tools/bin/uv build
clean: ; rm -rf .venv .tools .demo web/node_modules hub/static edge_agent/static dist

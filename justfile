# The usual commands over .venv: `just` lists them. (`pip install rust-just` gives just.)
# `just install` makes the environment.

python := ".venv/bin/python"

_default:
    @{{just_executable()}} --list

# an environment with all that the other commands need
install:
    python3 -m venv .venv
    {{python}} -m pip install -q -c constraints.txt -e '.[test,train,docs]'

# all tests, as continuous integration runs them
test *arguments:
    {{python}} -m pytest -n 3 --dist loadfile {{arguments}}

# the tests that take less than a minute together
quick *arguments:
    {{python}} -m pytest -m quick {{arguments}}

# lint and format, with corrections
lint:
    {{python}} -m ruff check --fix .
    {{python}} -m ruff format .

# static types
types *arguments:
    .ci/types {{python}} {{arguments}}

# the pages of `pfn-kg view`, out of pipeline/view/web; needs npm
web *arguments:
    .ci/web {{arguments}}

# the site, into site/; any dead link is an error
docs:
    .ci/tree
    .venv/bin/zensical build --clean --strict

# the site, on http://localhost:8000, built again at each change
serve:
    .ci/tree
    .venv/bin/zensical serve

# a benchmark, such as `just bench pipeline`; without a name: which there are
bench name="" *arguments:
    @if [ -z "{{name}}" ]; then ls benchmarks | sed -n 's/\.py$//p' | grep -v '^__'; else {{python}} -m benchmarks.{{name}} {{arguments}}; fi

#!/usr/bin/env bash
# Adds what is new in a corpus to a graph, builds it, checks it, and loads it into Neo4j.
#
#   nightly.sh DIR CORPUS...
#
# DIR is the output folder, on this machine; the first night makes it. A graph that fails the check is
# taken back, so that DIR/graph leads to the last good one. Neo4j is told only of a graph that passed.
#
#   PFN_KG            the command, pfn-kg by default
#   STEPS             which steps, "extract build verify load" by default
#   EXTRACT_OPTIONS   such as "--model DIR --device cuda", separated by white space
#   UPDATE_OPTIONS    those of extract from the second night on, such as "--sync --max-gone 0.1"
#   BUILD_OPTIONS     such as "--rdf"
#   LOAD_OPTIONS      such as "--neo4j-password file:/run/secrets/neo4j"
#   NEO4J_URI         the server; without it nothing is loaded
#   METRICS           a folder for extract.prom and build.prom, in Prometheus' text format
#
# Exit code: 0 if all steps are done; else that of the step that failed, which is named on standard
# error. 2 is a wrong call or configuration, 1 a failure, 130 and 143 an interruption.
set -uo pipefail

if [ $# -lt 2 ]; then
    echo "usage: nightly.sh DIR CORPUS..." >&2
    exit 2
fi
directory=$1
shift
pfn_kg=${PFN_KG:-pfn-kg}
read -r -a extract_options <<<"${EXTRACT_OPTIONS:-}"
read -r -a update_options <<<"${UPDATE_OPTIONS:-}"
read -r -a build_options <<<"${BUILD_OPTIONS:-}"
read -r -a load_options <<<"${LOAD_OPTIONS:-}"

metrics() { [ -z "${METRICS:-}" ] || printf '%s\n' "--metrics-file=$METRICS/$1.prom"; }

extract() {
    local place=(--output "$directory") options=("${extract_options[@]}")
    if [ -e "$directory/manifest.json" ]; then
        # Before the first extraction is finished there is nothing to add to.
        local status
        status=$("$pfn_kg" status "$directory" --format json) || return
        if [[ $status == *'"state": "extracting"'* ]]; then
            place+=(--resume)
        else
            place=(--into "$directory")
            options+=("${update_options[@]}")
        fi
    fi
    # shellcheck disable=SC2046 # one option or none
    "$pfn_kg" extract "$@" "${place[@]}" $(metrics extract) "${options[@]}"
}

build() {
    # shellcheck disable=SC2046 # one option or none
    "$pfn_kg" build "$directory" $(metrics build) "${build_options[@]}"
}

verify() {
    "$pfn_kg" verify "$directory"
    local code=$?
    # 1 says that the graph is wrong; anything else, that it was not looked at to the end.
    if [ "$code" -eq 1 ]; then
        "$pfn_kg" rollback "$directory" || echo "nightly: there is no graph to go back to" >&2
    fi
    return "$code"
}

load() {
    [ -z "${NEO4J_URI:-}" ] || "$pfn_kg" load "$directory" "${load_options[@]}"
}

for step in ${STEPS:-extract build verify load}; do
    case "$step" in
        extract) extract "$@" ;;
        build | verify | load) "$step" ;;
        *)
            echo "nightly: STEPS: no step is called $step" >&2
            exit 2
            ;;
    esac
    code=$?
    if [ "$code" -ne 0 ]; then
        echo "nightly: $step failed with exit code $code" >&2
        exit "$code"
    fi
done

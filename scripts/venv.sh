# Read by the scripts beside it. A warm start takes one or two processes (cmp);
# the making of .venv is in setup_venv.py.

say() {
    printf '%s\n' "$*" >&2
}

# changeover_venv ROOT runtime|dev: sets venv_python to ROOT's own Python, with every package of
# the lock installed, and makes or renews .venv where it must. Ends the script (exit 4) if it can't.
changeover_venv() {
    venv_python=$1/.venv/bin/python
    if [ -x "$venv_python" ] &&
        cmp -s "$1/requirements.lock" "$1/.venv/.changeover/requirements.lock" &&
        { [ "$2" = runtime ] ||
            cmp -s "$1/requirements-dev.lock" "$1/.venv/.changeover/requirements-dev.lock"; }; then
        return
    fi
    find_python
    "$found_python" -E "$1/scripts/setup_venv.py" "$1" "$2" "$found_python" || exit $?
}

# find_python: sets found_python to a Python that can make .venv. $PYTHON, where set, is the only
# candidate. Says what is missing and ends the script (exit 4) where there is none.
find_python() {
    too_old=
    too_bare=
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3.11 python3.12 python3.13 python3.14 python3 python
    fi
    for candidate; do
        # Prints the real path, so that .venv notices when this very interpreter goes away.
        report=$("$candidate" -c '
import os, sys
if sys.version_info < (3, 11):
    print("old %d.%d.%d" % sys.version_info[:3])
    sys.exit(0)
from importlib.util import find_spec
if find_spec("venv") and (find_spec("ensurepip") or find_spec("pip")):
    print("fit " + os.path.realpath(sys.executable))
else:
    print("bare %d.%d.%d" % sys.version_info[:3])
' 2>/dev/null) || continue
        case $report in
        "fit "*)
            found_python=${report#fit }
            return
            ;;
        "old "*) too_old="$too_old${too_old:+, }$candidate is ${report#old }" ;;
        "bare "*) too_bare="$candidate (${report#bare })" ;;
        esac
    done
    if [ -n "$too_bare" ]; then
        say "$too_bare has no venv module or no pip, so it cannot set up .venv." \
            "Next: install them (Debian, Ubuntu: apt-get install python3-venv python3-pip)," \
            "then run this again."
    elif [ -n "${PYTHON:-}" ]; then
        say "PYTHON=$PYTHON is not a Python 3.11 or newer that runs${too_old:+: $too_old}." \
            "Next: unset PYTHON, or set it to the path of one."
    else
        say "Python 3.11 or newer is needed and was not found${too_old:+: $too_old}." \
            "Next: install it, or name one: PYTHON=/path/to/python3.11 $0"
    fi
    exit 4
}

#!/bin/sh
# Switches the model from a shell, as it always did; the work is done by `changeover model`.
set -eu
unset CDPATH

usage() {
    cat <<'END'
Usage: switch-model.sh best|fast|cheap|think|local|fallback|status

  best fast cheap think local   make this preset's model the primary
  fallback                      put the preset fallback chain in place
  status                        show the primary, the chain and what is wrong with it

The file: CHANGEOVER_CONFIG if set, else data/moltbot.json of the project's folder, else the first
that `changeover` finds. Further words are handed on: switch-model.sh cheap for 2h
END
}

case ${1:-} in
best | fast | cheap | think | local | fallback | status) ;;
-h | --help)
    usage
    exit 0
    ;;
'')
    usage >&2
    exit 2
    ;;
*)
    printf 'switch-model.sh: unknown word "%s".\n' "$1" >&2
    usage >&2
    exit 2
    ;;
esac

self=$0
while [ -L "$self" ]; do
    link=$(readlink "$self")
    case $link in
    /*) self=$link ;;
    *) self=$(dirname "$self")/$link ;;
    esac
done
case $self in
*/*) ;;
*) self=./$self ;;
esac
root=$(cd "${self%/*}/.." && pwd -P)

# names_a_config FILE: does this .env say which config file to use?
names_a_config() {
    [ -r "$1" ] || return 1
    while IFS= read -r line || [ -n "$line" ]; do
        name=${line%%=*}
        name=${name#"${name%%[![:space:]]*}"}
        name=${name#export }
        name=${name%"${name##*[![:space:]]}"}
        value=${line#*=}
        value=${value#"${value%%[![:space:]]*}"}
        case $name in
        CHANGEOVER_CONFIG | OPENCLAW_CONFIG_PATH | MOLTBOT_CONFIG_PATH | CLAWDBOT_CONFIG_PATH)
            case $value in
            '' | '""' | "''" | '#'*) ;;
            *) return 0 ;;
            esac
            ;;
        esac
    done <"$1"
    return 1
}

# The project's own data/moltbot.json, with the .env and the database beside it, unless somebody
# has said which file it shall be.
chosen=${CHANGEOVER_CONFIG:-}${OPENCLAW_CONFIG_PATH:-}${MOLTBOT_CONFIG_PATH:-}
chosen=$chosen${CLAWDBOT_CONFIG_PATH:-}
if [ -z "$chosen" ] && [ -f "$root/data/moltbot.json" ] && ! names_a_config .env; then
    cd "$root"
    if ! names_a_config .env; then
        CHANGEOVER_CONFIG=$root/data/moltbot.json
        export CHANGEOVER_CONFIG
    fi
fi

CHANGEOVER_SURFACE=script
CHANGEOVER_CALLED=$(dirname "$0")/changeover
export CHANGEOVER_SURFACE CHANGEOVER_CALLED
case $1 in
status) exec "$root/scripts/changeover" model "$@" ;;
*) exec "$root/scripts/changeover" model "$@" --yes ;;
esac

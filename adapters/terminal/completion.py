"""`changeover completion bash|zsh|fish`: what a shell offers, out of the registry."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.terminal.cli import FLAGS, VERBS
from bot.commands.complete import complete
from bot.commands.registry import Command, Registry

_VALUED = "|".join(flag.name for flag in FLAGS if flag.takes)

_BASH = """\
# Completion of changeover for bash. Keep it:
#   changeover completion bash > ~/.local/share/bash-completion/completions/changeover
_changeover_words() {
    case $1 in
@CASES@
    *) return 1 ;;
    esac
}
_changeover() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= name= key words i
    COMPREPLY=()
    case $prev in
    --config|--env-file) compopt -o default 2>/dev/null; return ;;
    --http|--say) return ;;
    esac
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        @VALUED@) ((i++)) ;;
        -*) ;;
        *) if [[ -z $command ]]; then command=${COMP_WORDS[i]#/}
           elif [[ -z $name ]]; then name=${COMP_WORDS[i]}; fi ;;
        esac
    done
    for key in "$command $name $prev" "$command $name" "$command"; do
        [[ $key == "$command" && -n $name ]] && return
        if words=$(_changeover_words "$key"); then
            COMPREPLY=($(compgen -W "$words" -- "$cur"))
            return
        fi
    done
}
complete -F _changeover changeover
"""

_ZSH = """\
#compdef changeover
# Completion of changeover for zsh. Keep it in a folder of $fpath:
#   changeover completion zsh > ~/.zfunc/_changeover
_changeover_words() {
    case $1 in
@CASES@
    *) return 1 ;;
    esac
}
_changeover() {
    local prev=${words[CURRENT-1]} command= name= key found i
    case $prev in
    --config|--env-file) _files; return ;;
    --http|--say) return ;;
    esac
    for ((i = 2; i < CURRENT; i++)); do
        case ${words[i]} in
        @VALUED@) ((i++)) ;;
        -*) ;;
        *) if [[ -z $command ]]; then command=${words[i]#/}
           elif [[ -z $name ]]; then name=${words[i]}; fi ;;
        esac
    done
    for key in "$command $name $prev" "$command $name" "$command"; do
        [[ $key == "$command" && -n $name ]] && return
        if found=$(_changeover_words "$key"); then
            compadd -- ${=found}
            return
        fi
    done
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _changeover "$@"
else
    compdef _changeover changeover
fi
"""

_FISH = """\
# Completion of changeover for fish. Keep it:
#   changeover completion fish > ~/.config/fish/completions/changeover.fish
function __changeover_words
    switch "$argv[1]"
@CASES@
        case '*'
            return 1
    end
end
function __changeover
    set -l typed (commandline -opc)
    set -l prev $typed[-1]
    set -l command ''
    set -l name ''
    set -l skip 0
    for word in $typed[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word @VALUED@
            set skip 1
        else if string match -q -- '-*' $word
            continue
        else if test -z "$command"
            set command (string replace -r '^/' '' -- $word)
        else if test -z "$name"
            set name $word
        end
    end
    test $skip = 1; and return
    __changeover_words "$command $name $prev"; and return
    __changeover_words "$command $name"; and return
    test -z "$name"; and __changeover_words "$command"
end
complete -c changeover -f -a '(__changeover)'
complete -c changeover -l config -r -F
complete -c changeover -l env-file -r -F
"""
_TEMPLATES = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def script(shell: str, registry: Registry, models: list[str]) -> str:
    """Write the completion script of a shell; `models` are what stands for any model."""
    words = _words(registry, models)
    if shell == "fish":
        cases = "\n".join(
            f"        case '{key}'\n            string split ' ' -- '{' '.join(offered)}'"
            for key, offered in words.items()
        )
        valued = _VALUED.replace("|", " ")
    else:
        cases = "\n".join(f"    '{key}') echo '{' '.join(v)}' ;;" for key, v in words.items())
        valued = _VALUED
    return _TEMPLATES[shell].replace("@CASES@", cases).replace("@VALUED@", valued)


def _words(registry: Registry, models: list[str]) -> Mapping[str, list[str]]:
    """Return what may follow `COMMAND`, `COMMAND NAME` and a keyword after these."""
    everywhere = [flag.name for flag in FLAGS if not flag.verb]
    words = {"": [*(verb.name for verb in VERBS), *everywhere]}
    for verb in VERBS:
        own = [flag.name for flag in FLAGS if flag.verb == verb.name]
        words[verb.name] = [*verb.words, *own, *everywhere]
    words["help"] = [verb.name for verb in VERBS]
    for group in registry.groups:
        words[group] = [*(c.name for c in registry.of(group)), *everywhere]
        for command in registry.of(group):
            words |= _arguments(command, registry, models)
        words[f"{group} help"] = [command.name for command in registry.of(group)]
    return words


def _arguments(command: Command, registry: Registry, models: list[str]) -> dict[str, list[str]]:
    name = command.full_name
    keywords = {param.introduced_by[0] for param in command.params if param.keyword}
    lines = {name: f"{name} "} | {f"{name} {word}": f"{name} {word} " for word in keywords}
    return {
        key: [word for word in complete(line, registry, models) if " " not in word]
        for key, line in sorted(lines.items())
    }

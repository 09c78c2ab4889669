"""The flags, told: `--help`, `--version`, and the page docs/local-server-flags.md.

Pure text from the list in flags_known; `python -m local_model_server.flags_document` prints the
page, and a test holds the committed page against it.
"""

import textwrap
from importlib.metadata import version
from typing import Final

from local_model_server.flags_known import FLAGS_BY_GROUP, Flag, Treatment

_WIDTH: Final = 100

_HELP_HEAD: Final = """\
local-model-server: serve TensorFlow models on this machine, as tensorflow_model_server does.

    local-model-server --rest_api_port=8501 --model_name=heart --model_base_path=/models/heart
    curl -d '{"instances": [...]}' http://localhost:8501/v1/models/heart:predict

The model's directory holds one directory for each version: /models/heart/1, /models/heart/2, ...
Flags are tensorflow_model_server's own: a value follows '=', a switch is --flag, --flag=true or
--flag=false. SIGTERM stops accepting, lets running requests end, and ends the server.
"""

_PAGE_HEAD: Final = """\
# Flags of the local server

`local-model-server` takes the flags of `tensorflow_model_server` in its own spelling:
`--flag=value`, and for a switch `--flag`, `--flag=true` or `--flag=false`. A flag that is
*accepted* cannot matter here; a flag that is *refused* stops the start when it asks for anything
but its default, because this server cannot do what it asks. An unknown flag stops the start too.

This page is generated: `python -m local_model_server.flags_document > docs/local-server-flags.md`.
"""


def help_text() -> str:
    """Teach the command line."""
    parts = [_HELP_HEAD]
    for group, flags in FLAGS_BY_GROUP.items():
        parts.append(f"{group.value}:")
        parts += [_help_entry(flag) for flag in flags]
        parts.append("")
    parts.append("  --help, --version\n      Print this, or the versions, and end.")
    return "\n".join(parts)


def version_text() -> str:
    """Name the versions, in the words of the real server where it has them."""
    return (
        f"local-model-server: {version('servestack')}\n"
        f"TensorFlow ModelServer: {version('tensorflow-serving-api')}\n"
        f"TensorFlow Library: {version('tensorflow')}"
    )


def flags_page() -> str:
    """Write the page of the documentation."""
    parts = [_PAGE_HEAD]
    for group, flags in FLAGS_BY_GROUP.items():
        parts += [
            f"## {group.value}\n",
            "| Flag | Default | Meaning | Here |",
            "| --- | --- | --- | --- |",
            *(_page_row(flag) for flag in flags),
            "",
        ]
    return "\n".join(parts)


def _default(flag: Flag) -> str:
    if flag.default_text:
        return flag.default_text
    if isinstance(flag.default, bool):
        return str(flag.default).lower()
    return str(flag.default)


def _help_entry(flag: Flag) -> str:
    note = f" ({flag.treatment.value}: {flag.note})" if flag.note else ""
    body = textwrap.fill(
        flag.meaning.removesuffix(".") + note + ".",
        width=_WIDTH,
        initial_indent="      ",
        subsequent_indent="      ",
    )
    return f"  --{flag.name}={_default(flag)}\n{body}"


def _page_row(flag: Flag) -> str:
    default = _default(flag)
    here = flag.treatment.value
    if flag.treatment is not Treatment.HONOURED:
        here = f"*{here}*: {flag.note}"
    return f"| `--{flag.name}` | {f'`{default}`' if default else ''} | {flag.meaning} | {here} |"


if __name__ == "__main__":
    print(flags_page(), end="")  # noqa: T201 - the page goes where the caller sends it

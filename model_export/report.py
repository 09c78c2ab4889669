"""What the commands print of a manifest: for a person as text, for a script as plain values."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from model_export.manifest import Manifest, Signature, TensorSpec


def summary(manifest: Manifest) -> dict[str, JsonValue]:
    """Give a script what it most likely asks for; the whole is the manifest itself."""
    return {
        "model": manifest.model,
        "version": manifest.version,
        "digest": manifest.digest,
        "size_bytes": manifest.size_bytes,
        "files": len(manifest.files),
        "created_at": manifest.created_at.isoformat(),
        "created_by": manifest.created_by,
        "parent": manifest.parent,
        "labels": dict(manifest.labels),
        "metrics": dict(manifest.metrics),
    }


def described(manifest: Manifest) -> str:
    """Tell a person all but the single files."""
    commit = manifest.git_commit or "unknown"
    facts = {
        "model": manifest.model,
        "version": str(manifest.version),
        "parent": str(manifest.parent or "none"),
        "digest": manifest.digest,
        "created": f"{manifest.created_at.isoformat()} by {manifest.created_by}",
        "commit": f"{commit} and changes not committed" if manifest.git_dirty else commit,
        "tensorflow": manifest.tensorflow_version,
        "keras": manifest.keras_version or "unknown",
        "labels": _words(manifest.labels) or "none",
        "metrics": _words(manifest.metrics) or "none",
        "size": f"{size(manifest.size_bytes)} in {counted(len(manifest.files), 'file')}",
    }
    lines = [f"{key + ':':12}{value}" for key, value in facts.items()]
    for name, signature in manifest.signatures.items():
        lines += [f"signature {name}:", *_tensors(signature)]
    return "\n".join(lines)


def _tensors(signature: Signature) -> list[str]:
    return [
        f"  {direction} {name}: {spec.dtype}{_shape(spec)}"
        for direction, specs in (("in ", signature.inputs), ("out", signature.outputs))
        for name, spec in specs.items()
    ]


def _shape(spec: TensorSpec) -> str:
    if spec.shape is None:
        return " of any shape"
    return f"[{', '.join('?' if size is None else str(size) for size in spec.shape)}]"


def table(manifests: Sequence[Manifest]) -> str:
    """Give each version a line, under a head."""
    lines = [
        ("MODEL", "VERSION", "CREATED", "SIZE", "BY", "METRICS"),
        *(
            (
                manifest.model,
                str(manifest.version),
                f"{manifest.created_at:%Y-%m-%d %H:%M}",
                size(manifest.size_bytes),
                manifest.created_by,
                _words(manifest.metrics),
            )
            for manifest in manifests
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _words(pairs: Mapping[str, object]) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(pairs.items()))


def counted(count: int, what: str) -> str:
    """Write a number of things."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def size(count_bytes: int) -> str:
    """Write a number of bytes with three digits."""
    amount = float(count_bytes)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:  # noqa: PLR2004 a thousand of a unit is the next
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} GB"

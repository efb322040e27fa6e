"""A scene as PNG: its PDF, rendered by PDFium, so that both are the same to a pixel."""

from __future__ import annotations

from convscope.figures import pdf
from convscope.figures.scene import Scene
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write(scene: Scene, path: Path, dpi: int = 300) -> None:
    """Write a scene as a PNG file; a figure without a ground is transparent.

    Raises `UnsupportedError` without ReportLab or pypdfium2.
    """
    from io import BytesIO

    reader = pdf.loaded("pypdfium2", "figures in PNG need pypdfium2")
    held = BytesIO()
    pdf.write(scene, held, dpi)
    document = reader.PdfDocument(held.getvalue())
    try:
        ground = (255, 255, 255, 0 if scene.ground is None else 255)
        image = document[0].render(
            scale=dpi / 72, fill_color=ground, maybe_alpha=scene.ground is None
        )
        image.to_pil().save(path, format="PNG", dpi=(dpi, dpi))
    finally:
        document.close()

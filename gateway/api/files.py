"""Files that are too large to hold in memory: made in a folder of their own, handed out piece by piece, and gone after that."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from fastapi.responses import FileResponse
from starlette.background import BackgroundTask


@contextmanager
def making(what: str) -> Iterator[Path]:
    """A folder to make files in; if that fails, it goes with all that is in it. Else `handed_out` takes it away."""
    folder = Path(tempfile.mkdtemp(prefix=f"parkgate-{what}-"))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def handed_out(folder: Path, file: Path, name: str, media: str, **headers: str) -> FileResponse:
    """The answer: a whole file under a name. Its folder goes when the last byte has left, or when nobody reads any more."""
    return FileResponse(
        file,
        media_type=media,
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}", **headers},
        background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
    )

"""Uploads to the Hugging Face Hub, and downloads from it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import httpx2
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    constants,
    get_session,
    get_token,
    hf_hub_download,
)
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError
from huggingface_hub.utils import validate_repo_id

from colorizer import __version__

MARK = "colorizer"
"""Tag of repositories that this project uploaded."""

_TIMEOUT = 60.0  # Seconds without a response; huggingface_hub itself would wait forever.
_TOKEN = "create one at https://huggingface.co/settings/tokens and run `hf auth login`, or set HF_TOKEN"
_REASONS = {
    401: "the token is missing or invalid, or there is no such repository (401); for a token, " + _TOKEN,
    402: "payment required (402): a Gradio Space on CPU hardware needs a paid account, PRO for a person or "
    "Team for an organization; `deploy --static` needs none",
    403: "access denied (403): it belongs to another account, or the token is read-only",
    404: "the Hub has no such repository, file or revision (404)",
    409: "someone else is changing it at the same time (409): try again in a minute",
    429: "too many requests (429): try again in a few minutes",
}


class HubError(OSError):
    """The Hub can't be reached, or refused a request; the message says why and what to do."""


@dataclass(frozen=True)
class Upload:
    """Files to upload to the Hub.

    Attributes
    ----------
    repo : str
        ``USER/NAME``.
    kind : str
        ``model`` or ``space``.
    files : mapping of str to pathlib.Path or bytes
        Local file, or content, by path in the repository.
    owned : tuple of str
        Patterns of files in the repository to delete if they are not in ``files``.
    sdk : str or None
        SDK of a Space: ``gradio`` or ``static``.
    """

    repo: str
    kind: str
    files: Mapping[str, Path | bytes]
    owned: tuple[str, ...]
    sdk: str | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` unless the name is valid."""
        if self.repo.count("/") != 1:
            raise ValueError(f"the name on the Hub must be USER/NAME, got {self.repo!r}")
        validate_repo_id(self.repo)

    def describe(self) -> str:
        """List the front matter, and the files with their sizes."""
        sizes = {
            name: len(file) if isinstance(file, bytes) else file.stat().st_size for name, file in self.files.items()
        }
        readme = self.files["README.md"]
        text = (readme if isinstance(readme, bytes) else readme.read_bytes()).decode()
        front_matter = "---".join(text.split("---")[:2])
        lines = [f"{front_matter}---", *(f"{size:12,}  {name}" for name, size in sorted(sizes.items()))]
        return "\n".join(
            [*lines, f"{len(sizes)} files, {sum(sizes.values()) / 1e6:.1f} MB, for {self.kind} {self.repo}"]
        )


def send(upload: Upload) -> str:
    """Upload files in a single commit. An interrupted upload can be resumed by calling this again.

    Parameters
    ----------
    upload : Upload
        The files and their destination; the repository is created if it doesn't exist.

    Returns
    -------
    str
        URL of the repository.

    Raises
    ------
    HubError
        If there is no token, the Hub can't be reached or refuses, or the name is taken by another project.
    """
    api = HfApi(library_name="colorizer", library_version=__version__)
    repo, kind = upload.repo, upload.kind
    if get_token() is None:
        raise HubError(f"uploading to {api.endpoint} needs a token: {_TOKEN}")
    with explain_errors(repo):
        get_session().timeout = _TIMEOUT
        present = _list_files(api, upload)
        if present is None:
            api.create_repo(repo, repo_type=kind, space_sdk=upload.sdk, exist_ok=True)
        stale = {
            path
            for path in present or ()
            if path not in {*upload.files, ".gitattributes"} and any(fnmatch(path, pattern) for pattern in upload.owned)
        }
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            *(CommitOperationDelete(path) for path in sorted(stale)),
            *(CommitOperationAdd(path, file) for path, file in upload.files.items()),
        ]
        api.create_commit(repo, operations, repo_type=kind, commit_message=f"Colorizer {__version__}")
    return f"{api.endpoint}/{constants.REPO_TYPES_URL_PREFIXES.get(kind, '')}{repo}"


def fetch_file(repo: str, name: str, revision: str | None = None) -> Path:
    """Return the path of a file of a model in the Hub's cache, downloaded if needed.

    Errors are those of `huggingface_hub`; see `explain_errors`.
    """

    def fetch(local_files_only: bool) -> Path:
        return Path(
            hf_hub_download(
                repo,
                name,
                revision=revision,
                local_files_only=local_files_only,
                library_name="colorizer",
                library_version=__version__,
            )
        )

    try:
        return fetch(local_files_only=False)
    except httpx2.TransportError:  # Raised if a connection breaks mid-response; huggingface_hub handles other errors.
        try:
            return fetch(local_files_only=True)
        except OSError:
            pass
        raise


def _list_files(api: HfApi, upload: Upload) -> list[str] | None:
    """List the files of a repository, None if it doesn't exist; raise `HubError` if it belongs to another project."""
    try:
        info = api.repo_info(upload.repo, repo_type=upload.kind, timeout=_TIMEOUT)
    except RepositoryNotFoundError as error:
        if error.response.status_code == 401:
            raise
        return None
    files = [sibling.rfilename for sibling in getattr(info, "siblings", None) or ()]
    tags = (getattr(info, "card_data", None) or {}).get("tags") or ()
    # Files that the Hub itself creates in a new repository, including the page of a static Space.
    initial = {".gitattributes", "README.md", "index.html", "style.css"}
    if not set(files) <= initial and MARK not in tags:
        raise HubError(f"{upload.repo} is taken: there is a {upload.kind} of that name that isn't from this project")
    return files


@contextmanager
def explain_errors(what: str) -> Iterator[None]:
    """Convert errors of the Hub and of the connection to a `HubError` with a one-line message."""
    try:
        yield
    except HubError:
        raise
    except (OSError, RuntimeError, ValueError, httpx2.HTTPError) as error:
        raise HubError(f"{what}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    for cause in causes:
        if isinstance(cause, HfHubHTTPError):
            status = cause.response.status_code
            if status >= 500:
                return f"the Hub has an internal problem ({status}): try again later"
            return _REASONS.get(status) or f"the Hub answered {status}: {_first_line(cause.server_message or cause)}"
    for cause in causes:
        if isinstance(cause, OfflineModeIsEnabled):
            return "not in the cache, and HF_HUB_OFFLINE is set"
        if isinstance(cause, httpx2.TransportError):
            return f"no connection to {constants.ENDPOINT} ({_first_line(cause)}): try again to resume"
    return _first_line(causes[-1])


def _first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]

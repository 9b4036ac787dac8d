"""Weights and the demo to and from the Hugging Face Hub."""

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
"""The tag that marks a repository as uploaded by this project."""

_PATIENCE = 60.0  # Seconds without an answer; huggingface_hub itself would wait forever.
_TOKEN = "`hf auth login` or the variable HF_TOKEN gives one, https://huggingface.co/settings/tokens makes one"
_REASONS = {
    401: "the token is missing or invalid, or there is no such repository (401): " + _TOKEN,
    402: "payment required (402): a Gradio Space on CPU hardware needs a paid account, PRO for a person or "
    "Team for an organization; `deploy --static` needs none",
    403: "access denied (403): it belongs to another account, or the token is read-only",
    404: "the Hub has no such repository, file or revision (404)",
    409: "someone else is changing it (409): try again in a minute",
    429: "too many requests (429): try again in a few minutes",
}


class HubError(OSError):
    """The Hub can't be reached or refused a request; the message says why and what to do."""


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
        Path in the repository, and the file or its content.
    owned : tuple of str
        Patterns of files that are deleted from the repository unless they are among ``files``.
    sdk : str or None
        ``gradio`` or ``static``, for a Space.
    """

    repo: str
    kind: str
    files: Mapping[str, Path | bytes]
    owned: tuple[str, ...]
    sdk: str | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` unless the name is a valid one."""
        if self.repo.count("/") != 1:
            raise ValueError(f"the name on the Hub must be USER/NAME, got {self.repo!r}")
        validate_repo_id(self.repo)

    def describe(self) -> str:
        """List front matter, files and sizes."""
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
    """Upload files in a single commit, so that the repository is never seen half changed.

    Parameters
    ----------
    upload : Upload
        What goes where; the repository is created if needed.

    Returns
    -------
    str
        The address of the repository.

    Raises
    ------
    HubError
        If there is no token, the Hub can't be reached or refuses, or the name is taken by something else. The same call
        again finishes an upload that was interrupted.
    """
    api = HfApi(library_name="colorizer", library_version=__version__)
    repo, kind = upload.repo, upload.kind
    if get_token() is None:
        raise HubError(f"an upload needs a token of {api.endpoint}: {_TOKEN}")
    with explain_errors(repo):
        get_session().timeout = _PATIENCE
        present = _list_files(api, upload)
        if present is None:
            api.create_repo(repo, repo_type=kind, space_sdk=upload.sdk, exist_ok=True)
        stale = {
            path
            for path in present or ()
            if path not in {*upload.files, ".gitattributes"} and any(fnmatch(path, own) for own in upload.owned)
        }
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            *(CommitOperationDelete(path) for path in sorted(stale)),
            *(CommitOperationAdd(path, file) for path, file in upload.files.items()),
        ]
        api.create_commit(repo, operations, repo_type=kind, commit_message=f"Colorizer {__version__}")
    return f"{api.endpoint}/{constants.REPO_TYPES_URL_PREFIXES.get(kind, '')}{repo}"


def fetch_file(repo: str, name: str, revision: str | None = None) -> Path:
    """Download a file of a model into the Hub's cache, unless it is there; return its path. See `explain_errors`."""

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
    except (
        httpx2.TransportError
    ):  # Connections that break in the middle of an answer; huggingface_hub itself retries after other errors.
        try:
            return fetch(local_files_only=True)
        except OSError:
            pass
        raise


def _list_files(api: HfApi, upload: Upload) -> list[str] | None:
    """List the files of a repository; None if there is none; `HubError` if its name is taken by something else."""
    try:
        info = api.repo_info(upload.repo, repo_type=upload.kind, timeout=_PATIENCE)
    except RepositoryNotFoundError as error:
        if error.response.status_code == 401:
            raise
        return None
    files = [sibling.rfilename for sibling in getattr(info, "siblings", None) or ()]
    tags = (getattr(info, "card_data", None) or {}).get("tags") or ()
    # What the Hub itself puts into a new repository, a static Space with a page among it.
    fresh = {".gitattributes", "README.md", "index.html", "style.css"}
    if not set(files) <= fresh and MARK not in tags:
        raise HubError(f"{upload.repo} is taken: there is a {upload.kind} of that name that isn't from this project")
    return files


@contextmanager
def explain_errors(what: str) -> Iterator[None]:
    """Turn errors of the Hub and of the connection into a `HubError` of one sentence."""
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
                return f"the Hub has a problem of its own ({status}): try again later"
            return _REASONS.get(status) or f"the Hub answers {status}: {_first_line(cause.server_message or cause)}"
    for cause in causes:
        if isinstance(cause, OfflineModeIsEnabled):
            return "not in the cache, and HF_HUB_OFFLINE is set"
        if isinstance(cause, httpx2.TransportError):
            return f"no connection to {constants.ENDPOINT} ({_first_line(cause)}): try again; it resumes from there"
    return _first_line(causes[-1])


def _first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]

"""`ColorOptions`: options shared by all methods that colorize."""

from dataclasses import dataclass

from colorizer.inference.reach import DEFAULT_REACH

DEFAULT_VIVIDNESS = 0.1


@dataclass(frozen=True)
class ColorOptions:
    """How the colors of an image are predicted; see `Colorizer.colorize` for each option.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    vividness: float = DEFAULT_VIVIDNESS
    detail: int | None = None
    reach: float | None = DEFAULT_REACH
    prepare: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.vividness <= 1:
            raise ValueError(f"vividness must lie in [0, 1], got {self.vividness}")
        if self.detail is not None and self.detail < 2:
            raise ValueError(f"detail must be at least 2 pixels, got {self.detail}")
        if self.reach is not None and not 0 <= self.reach <= 1:
            raise ValueError(f"reach must lie in [0, 1], got {self.reach}")

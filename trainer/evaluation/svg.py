"""How pictures of results begin, as SVG that stands alone."""

from html import escape

FONT = 'font-family="system-ui, sans-serif" font-size="12" fill="#374151"'


def opened(width: float, height: float, title: str, left: float, top: float) -> str:
    """The opening of a white picture of that size, its title at `left` and `top`."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'role="img"><title>{escape(title)}</title><rect width="100%" height="100%" '
        f'fill="#ffffff"/><text x="{left}" y="{top}" {FONT} font-weight="600">'
        f"{escape(title)}</text>"
    )

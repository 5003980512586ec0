"""Parts of a page in HTML that needs nothing beside itself: no scripts, no links, figures and style inside."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --paper: #ffffff; --card: #f6f8fa;
  --line: #d1d9e0; --accent: #0072b2; --warn: #9a4b00; --warn-paper: #fff4e5; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9da7b3; --paper: #0f1318; --card: #181e25; --line: #323b45; --accent: #6cb6e8;
    --warn: #ffc480; --warn-paper: #33240f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 28px; margin: 0 0 4px; }
h2 { font-size: 22px; margin: 48px 0 8px; padding-top: 16px; border-top: 2px solid var(--line); }
h3 { font-size: 17px; margin: 28px 0 8px; }
p { margin: 6px 0; max-width: 78ch; }
.soft, figcaption { color: var(--soft); font-size: 14px; }
.warning { color: var(--warn); background: var(--warn-paper); border-radius: 6px; padding: 8px 12px; }
nav { display: flex; flex-wrap: wrap; gap: 6px 18px; margin: 12px 0; }
a { color: var(--accent); }
figure { margin: 14px 0 22px; }
/* Figures are drawn on white: they stay so on a dark page, so that their colours are those of the files. */
figure img { display: block; max-width: 100%; height: auto; background: #ffffff; padding: 10px;
  border: 1px solid var(--line); border-radius: 8px; }
figcaption { max-width: 90ch; margin-top: 6px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; margin: 6px 0 12px; }
th, td { padding: 4px 12px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
thead th { background: var(--card); border-bottom: 2px solid var(--line); white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
tr.published td { color: var(--soft); font-style: italic; }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 7px;
  border: 2px solid var(--swatch); background: var(--swatch); vertical-align: -1px; }
.swatch.open { background: transparent; }
.error { color: var(--soft); font-size: 12.5px; }
.dense .error { display: block; }
.dense th, .dense td { padding: 4px 9px; }
details { margin: 10px 0; }
summary { cursor: pointer; color: var(--accent); }
@media print { figure, table { break-inside: avoid; } main { max-width: none; } }
"""


MAX_LOOSE_COLUMNS = 9
"""In wider tables errors are below the numbers, not beside them."""


class Html(str):
    """Text that is HTML already; all other text is escaped."""


def page(title: str, parts: Iterable[str], *, refresh_s: int | None = None) -> str:
    """Put a page together.

    Args:
        title: Title of the page.
        parts: Its parts, HTML.
        refresh_s: A browser loads it again after so many seconds; None: it does not.

    Returns:
        A whole HTML document.
    """
    refresh = "" if refresh_s is None else f'<meta http-equiv="refresh" content="{refresh_s}">\n'
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{refresh}<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def element(tag: str, content: str, *, css_class: str = "", anchor: str = "") -> Html:
    """Make an element.

    Args:
        tag: As "p".
        content: Text, escaped unless it is `Html`.
        css_class: Its class.
        anchor: Its id.

    Returns:
        The element.
    """
    attributes = f' class="{escape(css_class)}"' if css_class else ""
    attributes += f' id="{escape(anchor)}"' if anchor else ""
    return Html(f"<{tag}{attributes}>{_text(content)}</{tag}>")


def picture(svg: bytes, caption: str) -> Html:
    """Embed a figure.

    Args:
        svg: The figure as SVG.
        caption: What it shows; also its text for those who do not see it.

    Returns:
        A figure with the caption below.
    """
    data = base64.b64encode(svg).decode()
    image = f'<img alt="{escape(caption)}" src="data:image/svg+xml;base64,{data}">'
    return Html(f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>")


def data_table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    caption: str = "",
    published: Iterable[Sequence[str]] = (),
    text_columns: Sequence[int] = (0,),
) -> Html:
    """Make a table; wide ones scroll by themselves.

    Args:
        header: Names of the columns.
        rows: Cells, text (escaped) or `Html`.
        caption: Sentence above it.
        published: Further rows, shown as not this report's own.
        text_columns: Columns of words, aligned left; numbers are aligned right.

    Returns:
        The table.
    """

    def row(cells: Sequence[str], tag: str, css_class: str = "") -> str:
        made = [
            element(tag, cell, css_class="text" if number in text_columns else "") for number, cell in enumerate(cells)
        ]
        return f'<tr class="{css_class}">{"".join(made)}</tr>' if css_class else f"<tr>{''.join(made)}</tr>"

    body = [row(cells, "td") for cells in rows] + [row(cells, "td", "published") for cells in published]
    top = element("p", caption, css_class="soft") if caption else ""
    css_class = ' class="dense"' if len(header) > MAX_LOOSE_COLUMNS else ""
    return Html(
        f'{top}<div class="scroll"><table{css_class}><thead>{row(header, "th")}</thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def folded(title: str, content: str) -> Html:
    """Hide a part behind its title until it is clicked.

    Args:
        title: Text.
        content: HTML.

    Returns:
        The part.
    """
    return Html(f"<details>{element('summary', title)}{content}</details>")


def swatch(colour: str, label: str, *, filled: bool = True) -> Html:
    """Put a dot in a network's colour before its name.

    Args:
        colour: As "#0072B2".
        label: Name.
        filled: Whether the dot is filled, as for trained networks.

    Returns:
        Dot and name.
    """
    css_class = "swatch" if filled else "swatch open"
    return Html(f'<span class="{css_class}" style="--swatch: {escape(colour)}"></span>{escape(label)}')


def _text(content: str) -> str:
    return content if isinstance(content, Html) else escape(content)

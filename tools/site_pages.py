"""Hooks of MkDocs (mkdocs.yml): the site's pages of what lies outside docs/, and a check that pages fetch nothing.

A link from docs/ to a file of the project becomes one to a page that shows it: Markdown as it is, anything else as
code, a folder with all its files.
"""

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parents[1]
LOG = logging.getLogger("mkdocs.hooks")  # a warning ends a strict build

# In the navigation: page -> file.
PROJECT = {
    "project/CHANGELOG.md": "CHANGELOG.md",
    "project/CONTRIBUTING.md": "CONTRIBUTING.md",
    "project/SECURITY.md": "SECURITY.md",
    "project/rust-runtime.md": "rust/runtime/README.md",
    "project/rust-space.md": "rust/space/README.md",
}
PAGE_OF = {file: page for page, file in PROJECT.items()}
LANGUAGES = {".js": "javascript", ".py": "python", ".rs": "rust", ".yaml": "yaml"}
FIRST_DECISION = "docs/decisions/0001-spec-json.md"  # of the folder
LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#\s]+)")
# Names of pages in running text, as CHANGELOG.md has them.
BARE = re.compile(r"(?<!\]\()(?<![\w`\[/])docs/([\w/-]+\.md)")
FENCE = re.compile(r"(^ *```.*?^ *```)", re.MULTILINE | re.DOTALL)
OUTSIDE = re.compile(r"""<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=["']?(?:https?:)?//[^"' >]+""")


def on_config(config: Any) -> Any:  # noqa: ANN401  MkDocs' own
    """List every decision in the navigation."""
    decisions = sorted(f"decisions/{path.name}" for path in ROOT.glob("docs/decisions/*.md"))
    config.nav = _filled(config.nav, decisions)
    return config


def _filled(nav: Any, decisions: list[str]) -> Any:  # noqa: ANN401  YAML
    if isinstance(nav, list):
        return decisions if nav == ["decisions/"] else [_filled(each, decisions) for each in nav]
    return {title: _filled(each, decisions) for title, each in nav.items()} if isinstance(nav, dict) else nav


def on_files(files: Files, config: Any) -> Files:  # noqa: ANN401  MkDocs' own
    """Add a page for each file of the project that is in the navigation or that a page links to."""
    pages = {page: ROOT / file for page, file in PROJECT.items()}
    for file in files.documentation_pages():
        for link in LINK.findall(file.content_string):
            outside = _outside(file.src_uri, link)
            if outside is not None:
                pages[_page_of(outside)] = ROOT / outside
    for uri, path in pages.items():
        level = InclusionLevel.INCLUDED if uri in PROJECT else InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, uri, content=_content(path), inclusion=level))
    return files


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:  # noqa: ANN401  MkDocs' own
    """Point links at the site's pages, and indent what is inside lists as Python-Markdown wants it."""
    source = PROJECT.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    return "".join(
        _indented(part) if part.lstrip(" ").startswith("```") else _prose(part, source, page.file.src_uri)
        for part in FENCE.split(markdown)
    )


def on_post_page(output: str, page: Any, **_: object) -> str:  # noqa: ANN401  MkDocs' own
    """Warn of what a reader's browser would fetch from elsewhere."""
    for found in OUTSIDE.findall(output):
        if not found.startswith('<link rel="canonical"'):
            LOG.warning("%s fetches from elsewhere: %s", page.file.src_uri, found)
    return output


def _prose(text: str, source: str, uri: str) -> str:
    folder = posixpath.dirname(uri)

    def moved(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
        path = FIRST_DECISION if path == "docs/decisions" else path
        is_page = path.startswith("docs/") or not (ROOT / path.partition("#")[0]).exists()
        return posixpath.relpath(path.removeprefix("docs/") if is_page else _page_of(path), folder or ".")

    text = LINK.sub(moved, text)
    text = BARE.sub(lambda name: f"[{name[1]}]({posixpath.relpath(name[1], folder or '.')})", text)
    return re.sub(r"^ {2,3}(?=\S)", "    ", text, flags=re.MULTILINE)


def _indented(block: str) -> str:
    """Return a code block; one inside a list as far in as Python-Markdown wants it."""
    spaces = len(block) - len(block.lstrip(" "))
    return re.sub(r"^(?=.)", " " * (4 - spaces), block, flags=re.MULTILINE) if spaces in (2, 3) else block


def _outside(uri: str, link: str) -> str | None:
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(uri), link))
    return None if path.startswith("docs/") or not (ROOT / path).exists() else path


def _page_of(path: str) -> str:
    return PAGE_OF.get(path, f"project/{path}.md")


def _content(path: Path) -> str:
    if path.suffix == ".md":
        return path.read_text()
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    shown = [each for each in files if "__pycache__" not in each.parts]
    return f"# {path.relative_to(ROOT)}\n\n" + "\n\n".join(map(_code, shown)) + "\n"


def _code(file: Path) -> str:
    language = LANGUAGES.get(file.suffix, file.suffix.removeprefix("."))
    return f"`{file.name}`\n\n```{language}\n{file.read_text().rstrip()}\n```"

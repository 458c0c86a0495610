"""The site: `python -m sphinx -W --keep-going docs build/docs` writes it, and build/docs/index.html is its first page.

What is on it are the pages of the repository as they stand, the API from the docstrings, and notebooks that are run
by the build. Nothing is loaded from elsewhere when a page is read (`tests/docs/test_site.py`).
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

import jaxgan  # noqa: E402

project, author, copyright = "jaxgan", "the authors of jaxgan", "the authors of jaxgan"
version = release = jaxgan.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "repository", "rooms"]
exclude_patterns = ["_ext"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build" / "notebooks")  # -D nb_execution_mode=force runs them anew
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_ipywidgets_js = {}  # they would come from elsewhere
nb_merge_streams = True

autodoc_docstring_signature = False
suppress_warnings = ["ref.python"]  # `Loss` is at the top and in its room, and both are the same
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False
napoleon_preprocess_types = False
python_maximum_signature_line_length = 88

html_theme = "sphinx_book_theme"
html_title = "jaxgan"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_start": [],
    "navbar_center": [],
    "navbar_end": [],
    "navbar_persistent": [],
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": False,
}

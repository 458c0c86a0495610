"""The page in a browser, by clicks: one server and one Chromium for all of them."""

import base64
import io
import json
import re
import shutil
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

import jaxgan as jg
from jaxgan.explore import files, views
from jaxgan.explore.wishes import Wish
from tests.explore.test_files import bomb

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
WAIT = 20_000  # milliseconds that a picture may take on a busy machine


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("THE EXPLORER'S PAGE IS NOT TESTED: there is no Chromium here (apt-get install chromium)")
    api = pytest.importorskip("playwright.sync_api", reason="THE EXPLORER'S PAGE IS NOT TESTED: no playwright here")
    pytest.importorskip("gradio", reason="THE EXPLORER'S PAGE IS NOT TESTED: no gradio here")
    with api.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def asked_by_the_server():
    """Addresses that this process, the server, connects to and names that it looks up."""
    addresses = []

    def hook(event, given):
        if event == "socket.connect":
            addresses.append(given[1])
        if event == "socket.getaddrinfo":
            addresses.append(given[:2])

    sys.addaudithook(hook)  # to the end of the process
    return addresses


@pytest.fixture(scope="module")
def address(browser, digits, asked_by_the_server):
    return jg.explore(digits)


@pytest.fixture(scope="module")
def view(digits):
    return views.open_view(digits)[0]


@pytest.fixture(scope="module")
def visited(browser, address):
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    yield opened(context.new_page(), address)
    context.close()


@pytest.fixture
def page(visited, view):
    """The one page, with its controls at rest and nothing pinned: quicker than to load it again."""
    visited.locator("#rest").click()
    visited.locator("#n label", has_text="4").click()
    visited.locator("#seed input").fill("0")
    shows(visited, view.draw(Wish()).images)
    while buttons := visited.locator("#pins button").all():
        buttons[0].click()
        visited.wait_for_function("n => document.querySelectorAll('#pins button').length < n", arg=len(buttons))
    return visited


def opened(page, address):
    page.set_default_timeout(WAIT)
    page.goto(address)
    page.wait_for_selector("#samples img")
    page.wait_for_selector("#n input, #picture input")
    return page


def sources(page, place="#samples"):
    return page.locator(f"{place} img").evaluate_all("images => images.map(image => image.src)")


def pictures(page, place="#samples"):
    """The pictures of a place as arrays."""
    decoded = [base64.b64decode(source.split(",")[1]) for source in sources(page, place)]
    return [np.asarray(Image.open(io.BytesIO(each))) for each in decoded]


def shows(page, images, place="#samples"):
    """Waits until a place shows these images, to the byte."""
    wanted = ["data:image/png;base64," + base64.b64encode(files.png(image)).decode() for image in images]
    script = (
        "([place, wanted]) => { const now = [...document.querySelectorAll(place + ' img')].map(image => image.src);"
    )
    page.wait_for_function(
        script + " return now.length === wanted.length && now.every((each, k) => each === wanted[k]); }",
        arg=[place, wanted],
    )


def turn(page, dial, value):
    page.locator(f"#{dial} input[type=range]").fill(str(value))


def test_the_first_picture_is_the_seed_s(visited, view):
    shows(visited, view.draw(Wish()).images)


def test_every_slider_moves_the_picture(page, view):
    wish = Wish()
    for dial, value, turned in (
        ("blend", 0.5, {"blend": 0.5}),
        ("truncation", 0.6, {"truncation": 0.6}),
        ("along0", 0.5, {"along": (0.5, 0.0, 0.0, 0.0, 0.0)}),
    ):
        turn(page, dial, value)
        wish = wish._replace(**turned)
        shows(page, view.draw(wish).images)
    page.locator("#rest").click()
    shows(page, view.draw(Wish()).images)


def test_a_drag_on_the_plane_moves_the_picture(page, view):
    page.locator("#plane .jg-pad").scroll_into_view_if_needed()
    box = page.locator("#plane .jg-pad").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 3 / 4, box["y"] + box["height"] / 4, steps=4)
    page.mouse.up()
    shows(page, view.draw(Wish(plane=(0.5, 0.5))).images)
    page.locator("#plane .jg-pad").press("ArrowLeft")
    shows(page, view.draw(Wish(plane=(0.45, 0.5))).images)


def test_a_class_changes_the_class(page, view):
    page.locator("#y input").click()
    page.get_by_role("option", name="7", exact=True).click()
    shows(page, view.draw(Wish(y=7)).images)
    assert page.locator("#samples figcaption > span").all_inner_texts() == [f"no. {k}, class 7" for k in range(4)]


def test_more_samples_and_another_seed(page, view):
    page.locator("#n label", has_text="9").click()
    shows(page, view.draw(Wish(n=9)).images)
    page.locator("#another").click()
    page.wait_for_function("() => document.querySelector('#seed input').value !== '0'")
    shows(page, view.draw(Wish(n=9, seed=int(page.locator("#seed input").input_value()))).images)
    page.locator("#seed input").fill("12")
    shows(page, view.draw(Wish(n=9, seed=12)).images)


def test_downloads_are_the_picture_and_its_latent(page, view, digits, tmp_path):
    turn(page, "blend", 0.3)
    shown = view.draw(Wish(blend=0.3))
    shows(page, shown.images)
    with page.expect_download() as download:
        page.locator("#samples a[data-png]").nth(2).click()
    assert download.value.suggested_filename == "seed0-000002.png"
    download.value.save_as(tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes() == files.png(shown.images[2])
    with page.expect_download() as download:
        page.locator("#samples a[download$=npz]").nth(2).click()
    assert download.value.suggested_filename == "seed0-000002.npz"
    download.value.save_as(tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz") as latent:  # two ways to draw it again: in Python, and on the page
        drawn = jg.load(digits)(z=latent["z"], y=latent["y"])
    assert (views.as_bytes(drawn)[0] == shown.images[2]).all()
    page.locator("#rest").click()
    page.locator("#latent input").set_input_files(tmp_path / "one.npz")
    shows(page, shown.images[2:3], "#pins")
    page.locator("#latent input").set_input_files(tmp_path / "one.png")
    page.wait_for_selector("#words .jg-trouble")
    assert "no file of a latent" in page.locator("#words").inner_text()
    assert len(sources(page, "#pins")) == 1


def test_pictures_are_pinned_and_removed(page, view):
    images = view.draw(Wish()).images
    page.locator("#samples button").nth(1).click()
    shows(page, images[1:2], "#pins")
    page.locator("#samples button").nth(3).click()
    shows(page, images[[1, 3]], "#pins")
    turn(page, "blend", 0.5)
    shows(page, view.draw(Wish(blend=0.5)).images)
    page.locator("#pins button").nth(0).click()
    shows(page, images[3:], "#pins")


def test_the_nearest_training_pictures(page):
    page.locator("#near").click()
    page.wait_for_selector("#nearest img")
    assert len(sources(page, "#nearest")) == 4 * (1 + 3)
    assert "among 4,000 of 4,000 training pictures" in page.locator("#nearest").inner_text()


def test_a_second_browser_does_not_disturb_the_first(browser, address, page, view):
    turn(page, "blend", 0.5)
    page.locator("#samples button").nth(0).click()
    mine = view.draw(Wish(blend=0.5)).images
    shows(page, mine)
    context = browser.new_context()
    other = opened(context.new_page(), address)
    shows(other, view.draw(Wish()).images)
    assert sources(other, "#pins") == []
    other.locator("#seed input").fill("5")
    shows(other, view.draw(Wish(seed=5)).images)
    for k in range(3):
        other.locator("#samples button").nth(k).click()  # at once: none is lost
    shows(other, view.draw(Wish(seed=5)).images[:3], "#pins")
    assert len(sources(page, "#pins")) == 1
    shows(page, mine)
    turn(page, "along0", 0.2)
    shows(page, view.draw(Wish(blend=0.5, along=(0.2, 0, 0, 0, 0))).images)
    context.close()


def test_nothing_is_asked_of_another_machine(browser, address, asked_by_the_server):
    """Every request of the browser in a whole visit, and every connection of the server since it was started."""
    requests = []
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        context.on("request", lambda request: requests.append(request.url))
        page = opened(context.new_page(), address)
        turn(page, "blend", 0.1)
        page.locator("#samples button").nth(0).click()
        page.locator("#near").click()
        page.wait_for_selector("#pins img")
        page.wait_for_selector("#nearest img")
        time.sleep(0.5)  # what it might ask for later
        context.close()
    hosts = {url.split("/")[2] for url in requests if not url.startswith(("data:", "blob:"))}
    assert hosts == {address.split("/")[2]}
    assert len(requests) > 40
    names = {each[0] for each in asked_by_the_server if isinstance(each, tuple)}
    assert names <= {"127.0.0.1", "localhost", "::1", b"127.0.0.1", b"localhost", None, ""}
    assert names  # Gradio asks itself whether it is up


def answer(address, path, data=None):
    """The status and text of an answer."""
    headers = {"content-type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(address + path, data, headers), timeout=30) as reply:
            return reply.status, reply.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def test_no_file_can_be_read(address, digits, monkeypatch):
    for file in ("/etc/passwd", str(digits / "config.json"), "config.json", "../../../../../../etc/passwd", "."):
        for form in ("gradio_api/file=", "gradio_api/file/", "file="):
            status, text = answer(address, form + file)
            assert status in (403, 404), (form, file)
            assert "root:" not in text
            assert "experiment" not in text
    where = next((digits / "checkpoints").rglob("*.json"))
    assert answer(address, f"gradio_api/file={where}")[0] == 404
    assert answer(address, "gradio_api/proxy=http://127.0.0.1:1/")[0] == 404
    assert answer(address, "gradio_api/upload", b"x")[0] == 404


def config_of(address):
    text = answer(address, "")[1]
    return json.loads(re.search(r"window.gradio_config = (\{.*?\});</script>", text, re.DOTALL)[1])


def drawing(address):
    """The call of the page that draws, and what its controls send at rest, by name."""
    config = config_of(address)
    components = {each["id"]: each["props"] for each in config["components"]}
    call = max(config["dependencies"], key=lambda each: len(each["targets"]))
    return call["id"], {components[k]["elem_id"]: components[k].get("value") for k in call["inputs"]}


def draw(address, number, values):
    body = {"data": list(values.values()), "fn_index": number, "session_hash": "test"}
    return answer(address, "gradio_api/run/predict", json.dumps(body).encode())


def test_what_no_page_would_send_is_a_line(address):
    number, rest = drawing(address)
    for values in ({"plane": "../../etc"}, {"plane": {"path": "/etc/passwd"}}, {"seed": 10**30}, {"n": 10**9}):
        status, text = draw(address, number, rest | values)
        assert "Traceback" not in text
        assert status != 200 or "jg-trouble" in text, values


def test_a_frame_takes_less_than_fifty_milliseconds(address):
    number, rest = drawing(address)
    times = []
    for k in range(30):
        before = time.perf_counter()
        assert draw(address, number, rest | {"blend": k / 30})[0] == 200
        times.append(time.perf_counter() - before)
    print(f"a frame: median {1e3 * np.median(times):.1f} ms")
    assert np.median(times) < 0.05  # from the call to the answer; digits of full size in docs/guide/explore.md


def test_a_translator_takes_pictures_and_refuses_the_rest(browser, translator, tmp_path):
    address = jg.explore(translator)
    view = views.open_view(translator)[0]
    page = opened(browser.new_page(), address)
    before = sources(page)
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 255, (40, 30, 3), np.uint8))
    picture.save(tmp_path / "mine.png")
    x = files.read_picture((tmp_path / "mine.png").read_bytes(), (16, 16, 3))
    made = view.again({"seed": np.zeros(1, np.int32), "index": np.zeros(1, np.int32), "a": x})[0]
    page.locator("#picture input").set_input_files(tmp_path / "mine.png")
    shows(page, [views.as_bytes(x)[0], made])
    assert sources(page) != before
    for name, content, words in (
        ("notes.png", b"no picture at all", "is no picture"),
        ("bomb.png", bomb(30_000), "pixels"),
        ("huge.png", bytes(files.MAX_BYTES + 1), "files of at most"),
    ):
        (tmp_path / name).write_bytes(content)
        page.locator("#picture input").set_input_files(tmp_path / name)
        page.wait_for_function("words => document.querySelector('#words').innerText.includes(words)", arg=words)
        shows(page, [views.as_bytes(x)[0], made])
    page.close()

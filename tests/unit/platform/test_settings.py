"""Settings: which file is read, what goes over what, and what a mistake is answered with."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextrade.errors import SettingsError
from nextrade.platform.settings import (
    SECTIONS,
    TABLES,
    Settings,
    default_text,
    find_file,
    keys,
    read_settings,
    variable,
)

LISTINGS = "[assets.A]\nscale = 1\n[markets.M]\nbase = 'A'\n"


def read(folder: Path, content: str | bytes | None = None, **environment: str) -> Settings:
    """Read settings in a folder, with a usual file of this content if there is one."""
    if content is not None:
        raw = content.encode() if isinstance(content, str) else content
        (folder / "nextrade.toml").write_bytes(raw)
    return read_settings(environment=environment, folder=folder)


def refused(folder: Path, content: str | bytes | None = None, **environment: str) -> str:
    """The message with which these settings are refused."""
    with pytest.raises(SettingsError) as caught:
        read(folder, content, **environment)
    return str(caught.value)


def test_nothing_but_the_default(tmp_path: Path) -> None:
    """Without a file the package's own holds: in memory, no journal, three shards, BTC ETH USDT."""
    found = read(tmp_path)

    assert (found.ledger.home, found.ledger.buckets, found.ledger.shards) == ("memory", 24, ())
    assert (found.journal.path, found.journal.fsync) == (None, True)
    assert found.stack.folder == tmp_path / ".nextrade/stack"
    assert (found.stack.shards, found.stack.appendfsync) == (3, "always")
    assert list(found.assets) == ["BTC", "ETH", "USDT"]
    assert list(found.markets) == ["BTC-USDT", "ETH-USDT", "ETH-BTC"]
    assert found.file is None
    assert set(found.origins.values()) == {"default"}


def test_a_file_goes_over_the_default_key_by_key(tmp_path: Path) -> None:
    """What the file leaves out keeps its default, within a section as well."""
    found = read(tmp_path, '[ledger]\nhome = "redis"\n[stack]\nappendfsync = "no"\n')

    assert (found.ledger.home, found.ledger.buckets) == ("redis", 24)
    assert (found.stack.appendfsync, found.stack.shards) == ("no", 3)
    assert found.file == tmp_path / "nextrade.toml"
    from_file = {name for name, where in found.origins.items() if where != "default"}
    assert from_file == {"ledger.home", "stack.appendfsync"}
    assert found.listings_source == "default.toml of the package"


def test_a_variable_goes_over_the_file(tmp_path: Path) -> None:
    """NEXTRADE_SECTION__KEY beats the file, and is named as where the value comes from."""
    found = read(tmp_path, "[ledger]\nbuckets = 6\n", NEXTRADE_LEDGER__BUCKETS="7")

    assert found.ledger.buckets == 7
    assert found.origins["ledger.buckets"] == "NEXTRADE_LEDGER__BUCKETS"


def test_every_kind_can_be_a_variable(tmp_path: Path) -> None:
    """Numbers, switches, words, paths and lists are read from the text of a variable."""
    found = read(
        tmp_path,
        NEXTRADE_JOURNAL__FSYNC="False",
        NEXTRADE_JOURNAL__PATH="kept",
        NEXTRADE_LEDGER__HOME="redis",
        NEXTRADE_LEDGER__SHARDS="one:7001, /run/two.sock",
        NEXTRADE_STACK__SHARDS=" 5 ",
    )

    assert found.journal.fsync is False
    assert found.journal.path == tmp_path / "kept"
    assert found.ledger.home == "redis"
    assert found.ledger.shards == ("one:7001", "/run/two.sock")
    assert found.stack.shards == 5


def test_the_order_in_which_files_are_looked_for(tmp_path: Path) -> None:
    """The file asked for, then NEXTRADE_CONFIG, then ./nextrade.toml, then none."""
    named = {"NEXTRADE_CONFIG": "b.toml"}
    assert find_file(None, {}, tmp_path) is None
    (tmp_path / "nextrade.toml").write_text("")

    assert find_file(Path("a.toml"), named, tmp_path) == tmp_path / "a.toml"
    assert find_file(None, named, tmp_path) == tmp_path / "b.toml"
    assert find_file(None, {"NEXTRADE_CONFIG": ""}, tmp_path) == tmp_path / "nextrade.toml"


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    """A missing file is an error that says how to write one, not a reason to take the default."""
    assert "there.toml is not there; `nextrade config init" in refused(
        tmp_path, NEXTRADE_CONFIG="there.toml"
    )


def test_paths_start_where_they_are_written(tmp_path: Path) -> None:
    """A relative path in a file starts at the file's folder, one in a variable where one stands."""
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep/x.toml"
    file.write_text("[journal]\npath = 'kept'\n[stack]\nfolder = 'servers'\n")
    found = read_settings(file, {"NEXTRADE_STACK__FOLDER": "here"}, tmp_path)

    assert found.journal.path == tmp_path / "deep/kept"
    assert found.stack.folder == tmp_path / "here"


def test_listings_are_handed_on_as_a_whole(tmp_path: Path) -> None:
    """Assets and markets of a file replace those of the default, unread and in their order."""
    found = read(tmp_path, LISTINGS + "[markets.'B/A']\nanything = [1, 2]\n")

    assert dict(found.assets) == {"A": {"scale": 1}}
    assert list(found.markets.items()) == [("M", {"base": "A"}), ("B/A", {"anything": [1, 2]})]
    assert found.listings_source == str(tmp_path / "nextrade.toml")


MISTAKES = {
    "unknown section": ("[legder]\n", ["section [legder] is unknown", "did you mean ledger?"]),
    "unknown key": ("[ledger]\nhoem = 'x'\n", ["[ledger]", "key hoem", "did you mean home?"]),
    "far from any key": ("[ledger]\nqqq = 1\n", ["known are home, buckets, shards"]),
    "key outside": ("home = 'memory'\n", ["section [home] is unknown"]),
    "section as key": ("ledger = 3\n", ["ledger is a section; write a line [ledger]"]),
    "wrong word": ("[ledger]\nhome = 'disk'\n", ["[ledger] home", "'disk'", '"memory", "redis"']),
    "wrong type": ("[ledger]\nbuckets = '3'\n", ["[ledger] buckets", "from 1 to 4096"]),
    "true is no number": ("[ledger]\nbuckets = true\n", ["True is not a whole number"]),
    "too many": ("[stack]\nshards = 65\n", ["[stack] shards", "65", "from 1 to 64"]),
    "number as switch": ("[journal]\nfsync = 1\n", ["[journal] fsync", "true or false"]),
    "empty folder": ("[stack]\nfolder = ''\n", ["[stack] folder", "it is empty"]),
    "nobody's home": ("[stack]\nfolder = '~nobody-here-of-this-name/x'\n", ["[stack] folder"]),
    "NUL in a path": ('[journal]\npath = "a\\u0000b"\n', ["[journal] path", "is not a path"]),
    "shards no list": ("[ledger]\nshards = 'a:1'\n", ["[ledger] shards", "a list"]),
    "no port": ("[ledger]\nshards = ['localhost']\n", ["'localhost' is no address", "HOST:PORT"]),
    "no host": ("[ledger]\nshards = [':6379']\n", ["':6379' is no address"]),
    "port 0": ("[ledger]\nshards = ['a:0']\n", ["'a:0' is no address"]),
    "bad port": ("[ledger]\nshards = ['a:99999']\n", ["'a:99999' is no address"]),
    "two in one": ("[ledger]\nshards = ['a:1 b:1']\n", ["is no address"]),
    "twice": ("[ledger]\nshards = ['a:1', 'a:1']\n", ["a:1 is listed twice"]),
    "NUL in a socket": ('[ledger]\nshards = ["/a\\u0000"]\n', ["not the path of a socket"]),
    "markets alone": ("[markets.X]\n", ["there is [markets] and no [assets]", "give both"]),
    "assets alone": ("[assets.X]\n", ["there is [assets] and no [markets]", "give both"]),
    "no TOML": ("[ledger\n", ["this is no TOML", "line 1"]),
    "twice the section": ("[ledger]\n[ledger]\n", ["this is no TOML"]),
    "endless number": ("[ledger]\nbuckets = " + "9" * 5000 + "\n", ["nextrade.toml"]),
    "deep": ("x = " + "[" * 20_000, ["nested too deeply"]),
    "no UTF-8": (b"[ledger]\n# \xff\n", ["byte 11 is no UTF-8 text", "save the file as UTF-8"]),
    "enormous": (b"#" * (2 << 20), ["no settings file"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_file_is_named(mistake: str, tmp_path: Path) -> None:
    """The message names the file, the section, the key, and what would fit."""
    content, expected = MISTAKES[mistake]
    said = refused(tmp_path, content)

    assert said.startswith(str(tmp_path / "nextrade.toml"))
    for part in expected:
        assert part in said


VARIABLES = {
    "NEXTRADE_LEDGER__HOEM": ("redis", "did you mean NEXTRADE_LEDGER__HOME?"),
    "NEXTRADE_LEDGER_HOME": ("redis", "did you mean NEXTRADE_LEDGER__HOME?"),
    "NEXTRADE_LEGDER__HOME": ("redis", "did you mean NEXTRADE_LEDGER__HOME?"),
    "NEXTRADE_LEDGER__BUCKETS": ("many", "'many' is not a whole number from 1 to 4096"),
    "NEXTRADE_JOURNAL__FSYNC": ("perhaps", "'perhaps' is not true or false"),
    "NEXTRADE_MARKETS__BTC": ("1", "stand in the settings file"),
    "NEXTRADE_STACK__FOLDER": ("\udcff", "is not a path"),
}


@pytest.mark.parametrize("name", VARIABLES)
def test_a_mistake_in_the_environment_is_named(name: str, tmp_path: Path) -> None:
    """A variable that cannot be a setting, or was surely meant as one, is an error that says so."""
    text, expected = VARIABLES[name]
    said = refused(tmp_path, **{name: text})

    assert said.startswith(f"environment variable {name}")
    assert expected in said


def test_other_variables_are_left_alone(tmp_path: Path) -> None:
    """What else begins with NEXTRADE_, such as switches of the build, is no setting."""
    found = read(tmp_path, NEXTRADE_DEBUG="1", NEXTRADE_DATA="/x", LEDGER__HOME="redis")

    assert found == read(tmp_path)


@pytest.mark.parametrize("what", ["folder", "directory as config"])
def test_what_is_no_file_is_refused(what: str, tmp_path: Path) -> None:
    """A folder in place of the file is refused in words."""
    (tmp_path / "nextrade.toml").mkdir()
    environment = {} if what == "folder" else {"NEXTRADE_CONFIG": "nextrade.toml"}

    assert "nextrade.toml is no regular file" in refused(tmp_path, **environment)


def test_the_default_file_names_every_setting() -> None:
    """The default file has every key of every section, and nothing else: it is the manual."""
    import tomllib

    content = tomllib.loads(default_text())

    assert list(content) == [*SECTIONS, *TABLES]
    assert {name: list(content[name]) for name in SECTIONS} == {
        name: list(keys(name)) for name in SECTIONS
    }


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
PATHS = WORDS.filter(lambda text: not text.startswith("~"))
HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)
PORTS = st.integers(1, 65535)
ADDRESSES = st.builds("{}:{}".format, HOSTS, PORTS) | st.builds("/{}".format, HOSTS)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "ledger.home": st.sampled_from(["memory", "redis"]),
    "ledger.buckets": st.integers(1, 4096),
    "ledger.shards": st.lists(ADDRESSES, unique=True, max_size=4),
    "ledger.cluster": st.booleans(),
    "ledger.username": HOSTS,
    "ledger.password": WORDS.filter(lambda text: not set(text) & set("\r\n")),
    "ledger.tls": st.booleans(),
    "journal.path": PATHS,
    "journal.fsync": st.booleans(),
    "stack.folder": PATHS.filter(bool),
    "stack.shards": st.integers(1, 64),
    "stack.appendfsync": st.sampled_from(["always", "everysec", "no"]),
}


def seen(settings: Settings) -> dict[str, Any]:
    """Every setting as the program sees it, by section and key."""
    return {
        f"{section}.{key}": getattr(getattr(settings, section), key)
        for section in SECTIONS
        for key in keys(section)
    }


@given(chosen=st.fixed_dictionaries({}, optional=VALUES))
def test_a_file_written_from_settings_is_read_as_these(
    chosen: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Values in a file, as variables, and written out again from what was read are all the same."""
    folder = tmp_path_factory.mktemp("round")
    # JSON writes words, numbers, switches and lists as TOML does, DEL excepted.
    written = "".join(
        f"{name} = {json.dumps(value, ensure_ascii=False)}\n".replace("\x7f", "\\u007f")
        for name, value in chosen.items()
    )
    once = read(folder, written)
    again = "".join(
        f"{name} = {keys(section)[key][0].toml(value)}\n"
        for name, value in seen(once).items()
        for section, key in [name.split(".")]
    )
    texts = {
        variable(*name.split(".")): ",".join(value) if isinstance(value, list) else str(value)
        for name, value in chosen.items()
    }
    (folder / "nextrade.toml").unlink()

    assert seen(read(folder, **texts)) == seen(once)
    assert seen(read(folder, again)) == seen(once)
    assert {name for name, where in once.origins.items() if where != "default"} == set(chosen)


@given(content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_whatever_the_file_holds(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any bytes are either settings or an error that begins with the name of the file."""
    folder = tmp_path_factory.mktemp("any")
    said = ""
    try:
        read(folder, content)
    except SettingsError as error:
        said = str(error)

    assert said.startswith(str(folder / "nextrade.toml")) or not said

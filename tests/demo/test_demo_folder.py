"""The demo's folder: never anybody else's, always fresh."""

import stat

import pytest

from astran.base.errors import ConfigError
from astran.base.night import Night
from astran.config.site import Security
from astran.config.yaml_files import load_site
from astran.demo.data_tree import DataTree
from astran.demo.demo_folder import make_fresh_folder, write_site
from astran.demo.servers import MailServers


def test_a_foreign_folder_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="not from a demo"), make_fresh_folder(tmp_path):
        pass
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_former_demo_is_removed(tmp_path):
    with make_fresh_folder(tmp_path / "demo") as files:
        (files.mails / "01.eml").write_text("old")
        (files.root / "link").symlink_to(tmp_path)
    with make_fresh_folder(tmp_path / "demo") as files:
        assert list(files.mails.iterdir()) == []
        assert not (files.root / "link").exists()
    assert tmp_path.is_dir()


def test_an_empty_folder_will_do(tmp_path):
    with make_fresh_folder(tmp_path) as files:
        assert files.root == tmp_path


def test_two_demos_do_not_share_a_folder(tmp_path):
    with (
        make_fresh_folder(tmp_path / "demo") as files,
        pytest.raises(ConfigError, match="is running"),
    ):
        (files.mails / "01.eml").write_text("precious")
        with make_fresh_folder(tmp_path / "demo"):
            pass
    assert (files.mails / "01.eml").exists()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="not a folder"), make_fresh_folder(tmp_path / "file"):
        pass


def test_the_site_configuration_is_valid_and_says_simulated(tmp_path):
    servers = MailServers(tmp_path / "mail", ("astran", "shifter", "operator"))
    servers.smtp_port, servers.imap_port = 2525, 1143
    tree = DataTree(tmp_path / "night", Night.parse("20231213"), "prod")
    with make_fresh_folder(tmp_path / "demo") as files:
        write_site(files, tree, servers)
        site = load_site(files.site)
    assert site.simulated
    assert site.workdir == files.analysis
    assert site.scheduler.kind == "local"
    assert site.database_url.startswith("sqlite")
    assert site.mail is not None
    assert site.mail.allow == ("shifter@demo.example",)
    assert site.mail.imap.port == 1143
    assert site.mail.smtp.security is Security.NONE
    assert site.mail.imap.password is not None
    assert site.mail.imap.password.reveal() == servers.passwords["astran"]
    assert stat.S_IMODE(files.secret.stat().st_mode) == 0o600
    assert servers.passwords["astran"] not in files.site.read_text()
    assert all(resources.memory_mb <= 2000 for resources in site.scheduler.resources.values())

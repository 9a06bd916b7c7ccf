"""The doctor names what is missing and how to get it, on machines that are not this one."""

import os
import socket
import stat
import subprocess
import sys
import warnings

import pytest

from messaging.settings import Settings
from rlhb import doctor, doctor_devices
from rlhb.doctor import State


def test_every_check_says_something_on_this_machine(tmp_path):
    found = {name: check() for name, check in doctor.checks(Settings(data_dir=tmp_path)).items()}
    assert set(found) >= {"Python", "BrainFlow", "LSL", "LSL network", "bus", "page", "port", "disk", "serial port", "serial dongle", "Bluetooth"}
    for name, check in found.items():
        assert check.sentence, name
    assert [n for n in ("Python", "BrainFlow", "LSL", "disk", "bus") if found[n].state is not State.OK] == []


def test_a_missing_library_is_named_with_the_command_that_brings_it():
    check = doctor.library("no-such-distribution")
    assert check.state is State.MISSING
    assert "pip install no-such-distribution" in check.sentence


def test_brainflow_is_looked_at_without_a_warning_reaching_anyone():
    script = "import sys; sys.argv = ['rlhb', 'doctor', '--json']; from rlhb.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-W", "always", "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert "pkg_resources" not in done.stderr
    assert '"BrainFlow": {"ok": true' in done.stdout


def test_a_taken_port_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        check = doctor.port("127.0.0.1", number)
    assert check.state is State.HINT
    assert f"127.0.0.1:{number}" in check.sentence
    assert "RLHB_PORT" in check.sentence


def test_a_full_and_a_slow_disk_are_named(tmp_path, monkeypatch):
    assert doctor.disk(tmp_path / "not" / "there" / "yet").state is State.OK
    monkeypatch.setattr(doctor, "slowest_sync_s", lambda folder: 0.9)
    slow = doctor.disk(tmp_path)
    assert slow.state is State.HINT
    assert "900" in slow.sentence
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 1 << 60)
    full = doctor.disk(tmp_path)
    assert full.state is State.MISSING
    assert "make room" in full.sentence


def test_the_speed_of_the_disk_is_measured(tmp_path):
    assert 0 < doctor.slowest_sync_s(tmp_path) < 30


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="devices are files on Linux")
class TestDevices:
    def usb(self, root, vendor="0403", product="6015"):
        device = root / "sys/bus/usb/devices/1-1"
        device.mkdir(parents=True)
        (device / "idVendor").write_text(vendor + "\n")
        (device / "idProduct").write_text(product + "\n")

    def port(self, root, latency=None):
        (root / "dev").mkdir(exist_ok=True)
        port = root / "dev/ttyUSB0"
        port.touch()
        if latency is not None:
            timer = root / "sys/bus/usb-serial/devices/ttyUSB0/latency_timer"
            timer.parent.mkdir(parents=True)
            timer.write_text(f"{latency}\n")
        return port

    def test_no_dongle_is_no_fault(self, tmp_path):
        assert doctor_devices.serial(tmp_path).state is State.OK
        assert doctor_devices.dongle(tmp_path).state is State.OK

    def test_a_port_that_may_not_be_opened_is_named_with_its_group(self, tmp_path, monkeypatch):
        port = self.port(tmp_path)
        port.chmod(0)
        monkeypatch.setattr(os, "access", lambda path, mode: bool(path.stat().st_mode & stat.S_IRUSR))
        check = doctor_devices.serial(tmp_path)
        assert check.state is State.MISSING
        assert "ttyUSB0 may not be opened" in check.sentence
        assert "usermod -aG" in check.sentence
        port.chmod(0o600)
        assert doctor_devices.serial(tmp_path).state is State.OK

    def test_brltty_that_grabs_the_dongle_is_named(self, tmp_path):
        self.usb(tmp_path)
        (tmp_path / "usr/sbin").mkdir(parents=True)
        (tmp_path / "usr/sbin/brltty").touch()
        check = doctor_devices.dongle(tmp_path)
        assert check.state is State.MISSING
        assert "apt-get remove brltty" in check.sentence
        self.port(tmp_path)
        assert doctor_devices.dongle(tmp_path).state is State.HINT

    def test_a_dongle_without_driver_is_named(self, tmp_path):
        self.usb(tmp_path)
        assert "modprobe ftdi_sio" in doctor_devices.dongle(tmp_path).sentence

    def test_another_usb_device_is_no_dongle(self, tmp_path):
        self.usb(tmp_path, product="6001")
        assert doctor_devices.dongle(tmp_path).state is State.OK

    @pytest.mark.parametrize(("ms", "state"), [(16, State.HINT), (1, State.OK)])
    def test_a_long_latency_timer_is_named_with_the_command_that_shortens_it(self, tmp_path, ms, state):
        self.port(tmp_path, latency=ms)
        check = doctor_devices.dongle(tmp_path)
        assert check.state is state
        assert ("tee" in check.sentence) == (ms == 16)

    def test_each_thing_that_bluetooth_lacks_is_named_in_turn(self, tmp_path):
        (tmp_path / "sys").mkdir()
        assert "no Bluetooth adapter" in doctor_devices.bluetooth(tmp_path).sentence
        (tmp_path / "sys/class/bluetooth/hci0").mkdir(parents=True)
        kill = tmp_path / "sys/class/rfkill/rfkill0"
        kill.mkdir(parents=True)
        for name, text in (("type", "bluetooth"), ("soft", "1"), ("hard", "0")):
            (kill / name).write_text(text)
        assert "rfkill unblock" in doctor_devices.bluetooth(tmp_path).sentence
        (kill / "soft").write_text("0")
        assert "D-Bus does not run" in doctor_devices.bluetooth(tmp_path).sentence
        (tmp_path / "run/dbus").mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as bus:
            bus.bind(str(tmp_path / "run/dbus/system_bus_socket"))
            bus.listen()
            assert "install bluez" in doctor_devices.bluetooth(tmp_path).sentence
            (tmp_path / "usr/libexec/bluetooth").mkdir(parents=True)
            (tmp_path / "usr/libexec/bluetooth/bluetoothd").touch()
            assert doctor_devices.bluetooth(tmp_path).state is State.OK


def test_nothing_of_this_shows_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert doctor.brainflow().state is State.OK
        assert doctor.liblsl().state is State.OK

from i2v3d.blender.system_libraries import (
    DEBIAN_PACKAGES,
    Libraries,
    bpy_libraries,
    debian_packages,
    missing_library_error,
)


def test_what_is_not_installed_is_found_missing_and_what_is_there_is_not():
    assert Libraries(("libc.so.6", "libnosuchthing.so.9")).missing() == ("libnosuchthing.so.9",)


def test_everything_bpy_needs_has_a_package():
    assert set(bpy_libraries().sonames) <= set(DEBIAN_PACKAGES)


def test_packages_are_named_once_each_in_order():
    assert debian_packages(("libSM.so.6", "libX11.so.6", "libSM.so.6")) == ("libsm6", "libx11-6")


def test_the_error_has_the_line_that_installs_them():
    error = missing_library_error(("libEGL.so.1", "libXi.so.6"))
    assert error.hint == "apt-get install libegl1 libxi6"
    assert "libEGL.so.1, libXi.so.6" in error.message

"""Which folder of a Swift package or Xcode project models belong in, and what is said of the rest."""

from pathlib import Path

import pytest
from embeddable import make_swift_package

from kewcore.errors import UsageError
from kewcore_export.embedding import find_place

pytestmark = pytest.mark.unit

PROJECT = """// !$*UTF8*$!
{
	objects = {
		A1 /* Shop */ = {
			isa = PBXFileSystemSynchronizedRootGroup;
			explicitFileTypes = {
			};
			explicitFolders = (%s);
			path = Shop;
			sourceTree = "<group>";
		};
		A2 /* ShopTests */ = {isa = PBXFileSystemSynchronizedRootGroup; path = ShopTests; sourceTree = "<group>"; };
		A3 /* KewModels */ = {isa = PBXFileReference; lastKnownFileType = %s; path = "Shop/KewModels"; };
	};
}
"""


def make_project(folder: Path, explicit: str = "", file_type: str = "text") -> Path:
    for name in ("Shop", "ShopTests", "Shop.xcodeproj"):
        (folder / name).mkdir(parents=True)
        (folder / name / "a.swift").touch()
    (folder / "Shop.xcodeproj/project.pbxproj").write_text(PROJECT % (explicit, file_type))
    return folder


@pytest.mark.parametrize(
    ("targets", "folder", "to_do"),
    [
        ('.target(name: "App")', "Sources/App", "add to target 'App' in Package.swift: resources: [.copy("),
        ('.target(name: "App", resources: [.copy("KewModels")])', "Sources/App", None),
        ('.target(\n name: "App",\n path: "Code", // resources: [.copy("KewModels")]\n)', "Code", "add to target"),
        ('.target(name: "App", dependencies: [.product(name: "X", package: "x")], resources: [.process("KewModels")])',
         "Sources/App", "add to target"),
        ('.target(name: "App", swiftSettings: [.define("A", .when(platforms: [.iOS]))], resources: ['
         '.process("x"), .copy("KewModels/")]), .testTarget(name: "AppTests")', "Sources/App", None),
        ('/* .target(name: "Old"), */ makeTarget("App")', "src/App", "see that target 'App' has this in Package.swift"),
    ],
)  # fmt: skip
def test_the_only_target_of_a_swift_package(tmp_path: Path, targets: str, folder: str, to_do: str | None) -> None:
    place = find_place(make_swift_package(tmp_path / "p", targets, folder))
    assert (place.kind, place.name, place.folder) == ("Swift package", "App", tmp_path / "p" / folder)
    assert len(place.to_do) == (to_do is not None)
    assert not to_do or place.to_do[0].startswith(to_do)


def test_several_targets_want_a_name(tmp_path: Path) -> None:
    package = make_swift_package(tmp_path / "p", '.target(name: "A"), .target(name: "B")', "Sources/A", "Sources/B")
    with pytest.raises(UsageError, match="has several targets: A, B") as refused:
        find_place(package)
    assert refused.value.hint == "say which with --target, such as --target A"
    assert find_place(package, "B").folder == package / "Sources/B"
    assert find_place(package / "Sources/B").name == "B"
    with pytest.raises(UsageError, match="has no target 'C' with sources") as refused:
        find_place(package, "C")
    assert refused.value.hint == "it has A, B"


@pytest.mark.parametrize(
    ("explicit", "file_type", "ready"),
    [
        ("", "text", False),
        ("KewModels", "text", True),
        ("\n\tOther,\n\tKewModels,\n", "text", True),
        ("", "folder", True),
    ],
)
def test_an_xcode_project(tmp_path: Path, explicit: str, file_type: str, ready: bool) -> None:
    folder = make_project(tmp_path / "shop", explicit, file_type)
    for into in (folder, folder / "Shop.xcodeproj", folder / "Shop", tmp_path):
        place = find_place(into)
        assert (place.kind, place.name, place.folder) == ("Xcode project", "Shop", folder / "Shop")
        assert (place.to_do == ()) == ready
    assert ready or "in Xcode, let Shop.xcodeproj copy KewModels as it is" in place.to_do[0]


def test_a_project_that_lists_its_files_has_its_sources_beside_it(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "shop")
    (folder / "Shop.xcodeproj/project.pbxproj").write_text("// !$*UTF8*$!\n{ objects = {}; }\n")
    assert find_place(folder).folder == folder / "Shop"


def test_an_app_beside_a_library_is_what_models_go_into(tmp_path: Path) -> None:
    package = make_swift_package(
        tmp_path / "p", '.target(name: "Kit"), .target(name: "Tool")', "Sources/Kit", "Sources/Tool"
    )
    make_project(package / "Demo")
    assert find_place(package).name == "Shop"
    assert find_place(package, "Kit").folder == package / "Sources/Kit"


def test_neither_package_nor_project(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"is neither a Swift package .no Package.swift with targets. nor an Xcode folder"
    ):
        find_place(tmp_path)
    with pytest.raises(UsageError, match=r"there is no folder '.*nowhere' to embed into"):
        find_place(tmp_path / "nowhere")

"""Maps the folders of the repository to one import name; all else is in pyproject.toml."""

from setuptools import find_packages, setup

ROOT = "pfn_kg"
FOLDERS = ("pfn", "pipeline", "schemas", "sinks", "transforms")

setup(
    packages=[
        ROOT,
        *(
            f"{ROOT}.{name}"
            for folder in FOLDERS
            for name in find_packages(include=[folder, f"{folder}.*"])
        ),
    ],
    package_dir={ROOT: ROOT} | {f"{ROOT}.{folder}": folder for folder in FOLDERS},
)

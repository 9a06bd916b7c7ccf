"""Build the page into the wheel; fails loudly without Node.js."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageBuildHook(BuildHookInterface):  # type: ignore[misc,unused-ignore]
    """Run the page's build unless a current build lies in `web_ui/dist`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page before files are collected; an editable install leaves that to `make`."""
        if version == "editable":
            return
        folder = Path(self.root) / "web_ui"
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("The page cannot be built: npm was not found. Install Node.js 20.19 or newer.")
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=folder, check=True)
        subprocess.run([npm, "run", "build"], cwd=folder, check=True)
        build_data["artifacts"].append("web_ui/dist/**")

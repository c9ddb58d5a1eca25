"""Archives: the policies worth keeping, one rule per file."""

from morl.archives.archive import Archive
from morl.archives.bounded_archive import BoundedArchive
from morl.archives.convex_coverage_set import ConvexCoverageSet
from morl.archives.entry import ArchiveEntry, Status
from morl.archives.pareto_archive import ParetoArchive

__all__ = ["Archive", "ArchiveEntry", "BoundedArchive", "ConvexCoverageSet", "ParetoArchive", "Status"]

"""`astran capsule A12`: pack the results of an analysis with all that makes them again."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from astran.base.errors import AstranError, StoreError
from astran.base.files import sha256
from astran.base.text import count_noun
from astran.cli.analyses.selection import add_id
from astran.cli.common import Exit, make_context, read_site
from astran.service.context import Context

LICENSE = "https://creativecommons.org/licenses/by/4.0/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Packs DL3 files, configuration, versions, provenance and results of an analysis as a "
        "Workflow-Run RO-Crate (zip). `astran rerun` repeats it anywhere."
    )
    add_id(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="ZIP", help="default: <label>_<id>.zip here"
    )
    parser.add_argument(
        "--license", default=LICENSE, help=f"of the content, as URL or text (default: {LICENSE})"
    )
    parser.add_argument(
        "--container",
        default="",
        metavar="IMAGE",
        help="image in which the analysis ran: a file, or a name with its digest",
    )


def run(args: argparse.Namespace) -> int:
    """Write the capsule."""
    from astran.highlevel.capsule.layout import portable_options
    from astran.highlevel.capsule.pack import CapsuleSource, pack_capsule
    from astran.highlevel.capsule.ro_crate import CrateFacts
    from astran.highlevel.comparison.sides import read_results
    from astran.service.provenance.origin_record import read_origin

    context = make_context(read_site(args))
    with context.db.begin() as db:
        origin = read_origin(db, args.id)
    folder = origin.folder / "results"
    if not origin.dl3 or not (folder / "results.json").is_file():
        raise StoreError(
            f"{origin.name} has no results yet.", f"`astran show {origin.name}` tells how it goes."
        )
    results = read_results(folder / "results.json")
    output = args.output or Path(f"{origin.label}_{origin.name}.zip")
    packed = pack_capsule(
        CapsuleSource(
            dl3=origin.dl3,
            results_folder=folder,
            options=tuple(portable_options(origin.argv)),
            config=origin.config_yaml,
            provenance=_provenance(context, folder / "results.json"),
        ),
        CrateFacts(
            title=f"{origin.label} ({origin.name})",
            results=results,
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            license=args.license,
            site=context.site.site,
            started=origin.started,
            software=dict(results.versions),
            container=_container(args.container),
        ),
        output,
    )
    size_mb = output.stat().st_size / 1e6
    print(f"{output}: {count_noun(len(packed), 'file')}, {size_mb:.1f} MB. Repeat it with")
    print(f"  astran rerun {output}")
    return Exit.OK


def _provenance(context: Context, place: Path) -> str:
    """PROV-JSON of the results, without names of persons; empty: their origin is not known."""
    from astran.service.provenance import product_search
    from astran.service.provenance.graph import lineage_of_product
    from astran.service.provenance.w3c_prov import make_prov_document

    with context.db.begin() as db:
        try:
            found = product_search.find_product(db, place)
        except AstranError:
            return ""
        lineage, subject = lineage_of_product(db, found.made, lambda _: True)
    return f"{make_prov_document(lineage, subject, found.asked).serialize(indent=2)}\n"


def _container(image: str) -> str:
    """The image with its digest, where that can be told."""
    path = Path(image).expanduser()
    if image and "@sha256:" not in image and path.is_file():
        return f"{path.name}@sha256:{sha256(path)}"
    return image

"""`triptych pki`: certificates for hosts and controllers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.connect import SAID_NOTHING, Where, asking, configured
from triptych.cli.output import Format, OutputOption, console, counted, print_data, print_rows, say
from triptych.errors import InputError

if TYPE_CHECKING:
    from triptych.client.rest import Server
    from triptych.pki.folder import Pair, PkiFolder, Revoked

app = typer.Typer(
    help="Certificates: agents prove by them which host they are, controllers where they are.", no_args_is_help=True
)

DirOption = Annotated[
    Path,
    typer.Option("--dir", envvar="TRIPTYCH_PKI", metavar="DIR", help="The authority's folder; keep it to yourself."),
]
_DIR = Path("/etc/triptych/pki")
DaysOption = Annotated[int, typer.Option("--days", min=1, max=36_500, help="How long it is valid.")]
PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        envvar="TRIPTYCH_PKI_PASSPHRASE_FILE",
        metavar="FILE",
        help="Its first line is the passphrase of the authority's key; left out: that key is not encrypted.",
    ),
]
ControllerOption = Annotated[bool, typer.Option("--controller", help="For a controller, not a host.")]


@app.command("init", short_help="Make an authority, which signs")
def init(
    directory: DirOption = _DIR,
    name: Annotated[str, typer.Option("--name", help="What the authority is called in its certificate.")] = "triptych",
    days: DaysOption = 3650,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Make an authority: a key that signs, and the certificate that everybody trusts."""
    path = _authority(directory, passphrase_file).init(name, days)
    say(f"{path} is what agents, controllers and users trust; {directory / 'ca.key'} signs, and never leaves here")


@app.command("issue", short_help="The first certificate of a host or a controller")
def issue(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="A declared host; with --controller all DNS names and addresses of it."),
    ],
    controller: ControllerOption = False,
    request: Annotated[
        Path | None, typer.Option("--request", help="A signing request (triptych pki request); its key stays there.")
    ] = None,
    days: DaysOption = 397,
    directory: DirOption = _DIR,
    passphrase_file: PassphraseOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Issue the first certificate of a host or a controller, with a new key."""
    from triptych.pki import certificates

    if not controller and len(names) > 1:
        raise InputError(f"host {' '.join(names)}: a certificate is one host's; issue them one by one")
    subject = certificates.controller(names) if controller else certificates.host(names[0])
    _tell(_authority(directory, passphrase_file).issue(subject, days, request), output)


@app.command("renew")
def renew(
    name: Annotated[str, typer.Argument(help="The host; with --controller its first name or address.")],
    controller: ControllerOption = False,
    new_key: Annotated[bool, typer.Option("--new-key", help="With a new key too.")] = False,
    days: DaysOption = 397,
    directory: DirOption = _DIR,
    passphrase_file: PassphraseOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Issue a certificate anew, for the same names and the same key."""
    from triptych.pki.certificates import Role

    role = Role.CONTROLLER if controller else Role.HOST
    _tell(_authority(directory, passphrase_file).renew(role, name, days, new_key=new_key), output)


@app.command("request", short_help="A key on its own host, and the request to sign")
def request_(
    host: Annotated[str, typer.Argument(help="The host, by its declared name.")],
    key: Annotated[Path, typer.Option("--key", help="Where to put the new key; it is never shown to anyone.")],
    out: Annotated[Path, typer.Option("--out", help="Where to put the request, for whoever has the authority.")],
) -> None:
    """Make a key on its host, and the request for a certificate (the key then never travels)."""
    from triptych.pki import certificates, files

    subject, made = certificates.host(host), certificates.new_key()
    if out.exists():
        raise InputError(f"{out}: is there already, and nothing is overwritten; move it away, or choose another")
    files.write(key, files.key_pem(made), files.PRIVATE)
    files.write(out, files.certificate_pem(certificates.signing_request(subject, made)), files.PUBLIC)
    say(f"take {out} to the authority: triptych pki issue {host} --request {out.name}")


@app.command("revoke", short_help="Let certificates count no longer")
@asking
def revoke(
    what: Annotated[str, typer.Argument(metavar="NAME|SERIAL", help="A host or controller, or one serial number.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the list.")] = "",
    directory: DirOption = _DIR,
    where: Where = SAID_NOTHING,
    output: OutputOption = Format.TABLE,
) -> None:
    """Let certificates count no longer, here and at the controller; again, to tell a controller that was away."""
    from triptych.pki.folder import PkiFolder

    there = configured(where)
    done = PkiFolder(directory).revoke(what, reason)
    if there is not None:
        _publish(there, done)
    if output is not Format.TABLE:
        print_data(done, output)
        return
    for item in done:
        console.print(f"revoked {item.serial} of {item.role} {item.name}", markup=False, highlight=False)
    if there is None:
        say("triptych: no controller is configured, so none knows: give --server, and revoke again")


@app.command("list")
def list_issued(directory: DirOption = _DIR, output: OutputOption = Format.TABLE) -> None:
    """Show every certificate that was issued, and what it is worth now."""
    from triptych.pki.folder import PkiFolder

    found = PkiFolder(directory).list()
    rows = [
        {
            "for": entry.subject.role.value,
            "name": entry.subject.name,
            "state": entry.state.value,
            "ends": f"{entry.ends:%Y-%m-%d}",
            "serial": entry.serial,
            "current": "current" if entry.present else "",
            "reason": entry.reason,
        }
        for entry in found
    ]
    print_rows(
        counted(len(found), "certificate"),
        ["for", "name", "state", "ends", "serial", "current", "reason"],
        rows,
        output,
    )


def _authority(directory: Path, passphrase_file: Path | None) -> PkiFolder:
    """The folder, with what opens its key."""
    from triptych.pki.files import read_passphrase
    from triptych.pki.folder import PkiFolder

    return PkiFolder(directory, passphrase=None if passphrase_file is None else read_passphrase(passphrase_file))


def _publish(server: Server, revoked: list[Revoked]) -> None:
    from triptych.client.rest import Client, api
    from triptych.client.rest.messages import Revocation

    with Client(server) as client:
        for item in revoked:
            client.send(api.revoke(Revocation(item.serial, item.name, item.reason)))


def _tell(pair: Pair, output: Format) -> None:
    if output is not Format.TABLE:
        print_data(
            {
                "certificate": str(pair.certificate),
                "key": None if pair.key is None else str(pair.key),
                "serial": pair.serial,
                "ends": f"{pair.ends:%Y-%m-%dT%H:%M:%SZ}",
            },
            output,
        )
        return
    console.print(pair.certificate, markup=False, highlight=False, soft_wrap=True)
    if pair.key is not None:
        console.print(pair.key, markup=False, highlight=False, soft_wrap=True)

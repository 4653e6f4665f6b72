"""``interestream topics plan`` and ``apply``: the broker's topics against the one table; ``acls``: who may do what."""

from typing import Annotated, NoReturn

import typer

from stream.acls import Client, acls, as_command
from stream.admin import AdminError, BrokerAway, TopicDifference, apply_topics, plan_topics
from stream.commands.console import ExitCode, fail, print_json, read_settings
from stream.settings import SettingsError, check_security

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Compare the broker's topics with how they should be, or make them so. Sizes come from the settings `topics`.",
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object last on standard output.")]


@app.command()
def plan(as_json: Json = False) -> None:
    """Say how the broker's topics differ from the table; change nothing.

    Exit codes: 0 no difference, 1 differences, 2 settings, 3 no broker.
    """
    settings = read_settings()
    try:
        check_security(settings)
        differences = plan_topics(settings)
    except (AdminError, SettingsError) as error:
        _give_up(error)
    if as_json:
        print_json({"differences": [_fields(difference) for difference in differences]})
    elif differences:
        _show(differences)
    else:
        typer.echo(f"all {len(settings.topics.table())} topics are as they should be")
    raise typer.Exit(ExitCode.FAILED if differences else ExitCode.OK)


@app.command()
def apply(as_json: Json = False) -> None:
    """Create missing topics and alter configurations. Partition counts are never changed: keys would move.

    Exit codes: 0 all is as it should be, 1 a partition count still differs, 2 settings, 3 no broker.
    """
    settings = read_settings()
    try:
        check_security(settings)
        differences = apply_topics(settings)
    except (AdminError, SettingsError) as error:
        _give_up(error)
    done = [difference for difference in differences if difference.applies]
    left = [difference for difference in differences if not difference.applies]
    if as_json:
        print_json({"applied": [_fields(d) for d in done], "left": [_fields(d) for d in left]})
    else:
        for difference in done:
            typer.echo(f"{difference.topic}: {_what_was_done(difference)}")
        if left:
            _show(left)
        elif not done:
            typer.echo("nothing to do")
    raise typer.Exit(ExitCode.FAILED if left else ExitCode.OK)


@app.command("acls")
def show_acls(
    client: Annotated[Client, typer.Argument(help="Whose rights.")],
    principal: Annotated[
        str, typer.Option(help="As the broker's authorizer names it, such as User:interestream.")
    ] = "User:interestream",
    as_json: Json = False,
) -> None:
    """Print the least rights with which a client can do its work, as arguments of `kafka-acls.sh`; ask nobody.

    Names of topics and groups come from the settings. A subscriber also needs READ on a consumer group of its own.

    Exit codes: 0 printed; 2 the settings cannot be used.

    Example: interestream topics acls worker | xargs -L1 kafka-acls.sh --bootstrap-server broker:9093
    """
    rights = acls(client, read_settings())
    if as_json:
        print_json({"principal": principal, "acls": [acl._asdict() for acl in rights]})
    else:
        for acl in rights:
            typer.echo(as_command(acl, principal))


def _give_up(error: AdminError | SettingsError) -> NoReturn:
    if isinstance(error, SettingsError):
        fail(str(error), ExitCode.USAGE)
    fail(str(error), ExitCode.AWAY if isinstance(error, BrokerAway) else ExitCode.FAILED)


def _fields(difference: TopicDifference) -> dict[str, str | bool]:
    return {
        "topic": difference.topic,
        "kind": difference.kind.value,
        "key": difference.key,
        "expected": difference.expected,
        "actual": difference.actual,
        "applies": difference.applies,
        "mend": difference.mend,
    }


def _what_was_done(difference: TopicDifference) -> str:
    if not difference.key:
        return f"created with {difference.expected}"
    return f"{difference.key} = {difference.expected} (was {difference.actual or 'unset'})"


def _show(differences: list[TopicDifference]) -> None:
    for d in differences:
        is_now = f"{d.key} is {d.actual or 'unset'}, should be {d.expected}" if d.key else "is missing"
        typer.echo(f"{d.topic}: {is_now}; {d.mend}")

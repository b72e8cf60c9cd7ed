"""The asynchronous client against the real server; tests/client/test_transport.py has the failures of both."""

import asyncio
from pathlib import Path

from support.flagging import flag
from support.remote import QUICK, Remote

from monitor.client import AsyncClient
from monitor.types import Opinion


def test_a_picture_is_uploaded_analysed_and_a_flag_judged(remote: Remote, png: Path, tmp_path: Path) -> None:
    remote.service.archive.add(flag(0), {"frame.jpg": b"picture"})

    async def work() -> None:
        states: list[str] = []
        async with AsyncClient(remote.url, key=remote.key(), retries=QUICK) as client:
            report = await client.analyze(png, on_progress=lambda analysis: states.append(analysis.state))
            assert states[-1] == "done"
            assert len(report.tracks) == 1
            (analysis,) = [one async for one in client.analyses()]
            assert (await client.report(analysis.id)).content == report.content
            names = [file.name for file in await client.result_files(analysis.id)]
            await client.download_result(analysis.id, names[0], tmp_path / "out" / names[0])
            assert (tmp_path / "out" / names[0]).is_file()
            (flagged,) = [one async for one in client.flags()]
            judged = await client.judge(flagged.id, opinion=Opinion.FAKE, expected=flagged)
            assert judged.opinion is Opinion.FAKE
            await client.delete_flag(flagged.id, expected=judged)
            await client.delete_analysis(analysis.id)
            assert (await client.system()).flags == 0
            assert await asyncio.gather(*(_count(client) for _ in range(5))) == 5 * [0]

    asyncio.run(work())


async def _count(client: AsyncClient) -> int:
    return len([one async for one in client.analyses()])

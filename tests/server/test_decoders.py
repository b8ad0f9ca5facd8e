"""Pictures are read in processes: the same as on threads, and one that dies takes nothing else with it."""

import asyncio
import os
import signal

import numpy as np
import pytest
from drawn import file

from quickstudy.estimator.pictures import Pictures
from quickstudy.server import inputs
from quickstudy.server.decoders import Decoders
from quickstudy.server.limits import Limits
from quickstudy.server.refusals import RefusedError, TooLargeError
from quickstudy.server.store import Note

READS = Pictures(1, 48, ink=True)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_reads_what_a_thread_reads_and_may_die() -> None:
    async def read_all() -> None:
        apart, here = Decoders(1, 1), Decoders(0, 2)
        given = [file(seed, 112) for seed in range(4)]
        wanted = await here.run(inputs.read, given, READS, Note(), Limits())
        found = await apart.run(inputs.read, given, READS, Note(), Limits())
        np.testing.assert_array_equal(found.kept, wanted.kept)
        with pytest.raises(TooLargeError, match="112 x 112"):
            await apart.run(inputs.read, given, READS, Note(), Limits(picture_megapixels=0.01))
        with pytest.raises(RefusedError, match="broke"):
            await apart.run(die)
        again = await apart.run(inputs.read, given, READS, Note(), Limits())
        np.testing.assert_array_equal(again.kept, wanted.kept)
        apart.close()
        here.close()

    asyncio.run(read_all())

// While one question is on its way only the newest of the others waits.

/** A function that runs `work` on what it is given, one at a time; of those given meanwhile the last alone follows. */
export function latest(work, failed) {
  let busy = false;
  let waiting = null;
  return async function next(...given) {
    if (busy) {
      waiting = given;
      return;
    }
    busy = true;
    try {
      await work(...given);
    } catch (error) {
      failed(error);
    }
    busy = false;
    if (waiting) {
      const following = waiting;
      waiting = null;
      next(...following);
    }
  };
}

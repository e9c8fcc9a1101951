"""Weeks of production in minutes: a world that talks, the platform that hears nothing else, and who keeps the score.

Three sides, in processes of their own, and what goes between them:

    talk.py (knows the scenario)        run.py (the platform's people)          score.py (knows the scenario)
    ───────────────────────────         ──────────────────────────────          ────────────────────────────
    scenario.py  what drifts when       clock.py      puts the clock on         asks the frozen first champion
    voices.py    makes the sounds  ──►  gateway       HTTP, a key, speakers ──► what callers were answered, and the
    labels.py    labels, later     ──►  a folder      a corpus that arrives     models on the evaluation sets, by ONNX
                                        tasks.py      what the DAGs' tasks run  Runtime alone; report.py, page.py

- **The platform is given sounds, speakers, times, and labelled speech that arrives as a corpus.** Nothing of the
  scenario: `run.py` and what it imports may not import it, nor the speaker world, which a contract of import-linter
  says. It never learns the seed either.
- **The world is a process that is told "the next window" and answers when it has talked.** Which windows are of a drift
  and which of a decoy is drawn from the seed, there and in the scorer, by the same pure function.
- **Time.** A window is six hours. The clock of this one platform is ahead of the machine's by what a file in its home
  says (`settings.clock_file`, docs/adr/0019): it goes as fast as any clock, and is put on between two windows.
  Whatever voxloop stamps is of that clock: rows, requests, ledger, approvals.
- **The people are played as the runbooks say**: new labelled speech is cut by speaker into an evaluation set before
  anything is trained on it, then joins the corpus; a second account approves what passed the gate; after a promotion
  the reference of drift is made anew, once a hundred speakers were heard.
- **The score is kept outside**: what callers were answered against what was said, the first champion (never retrained)
  on the same sounds, and both on the evaluation set of each drift.
"""

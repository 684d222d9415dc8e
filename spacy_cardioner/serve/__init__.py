"""The HTTP service: annotates the notes of requests in worker processes, and serves the page.

`worker` is what the processes run, `pool` hands them notes, `request` and `answer` are what goes in
and out, `app` has the routes, `guard` what holds for all of them, and `server` runs it all.
"""

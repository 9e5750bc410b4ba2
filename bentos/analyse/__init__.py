"""The image as a tool: files in, tables out, without HTTP: `IMAGE analyse atoms *.dm4 --out results`.

The same on this machine: `python -m bentos.analyse`. It does what the service does, with the options of the client's
commands, in one process, file after file. `options` is the command line, `course` the analysis, `folder` what is
written, `collection` makes one table of several folders. See pipelines/README.md for what lies in the folder.
"""

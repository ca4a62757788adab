/// What `--help` prints.
let usage = """
  Classifies images with a Core ML model that kewcore exported.

  Usage:
    kew-classify MODEL IMAGES… [--top 3] [--json]   labels for images
    kew-classify verify MODEL [--json]              golden cases; exit code 1 on a miss
    kew-classify bench MODEL [--json]               load, first prediction, median, p95, p99
    kew-classify plan MODEL                         Core ML's compute plan as JSON; needs a Mac

  MODEL is a .mlpackage, or on a Mac a compiled .mlmodelc. A folder that is called like a command is ./verify.

  Options:
    --top N               how many labels an image; 3 unless given
    --json                print JSON, with a schema_version
    --compute-units U     all, cpu, cpu+gpu or cpu+ne; on Linux all of them are the CPU
    --tolerance P         verify: largest difference of a probability that passes; 0.002 unless given
    --rounds N            bench: rounds of ten timed predictions; 10 unless given
    --help                print this

  On Linux models are run by kewcore: the command that the variable KEWCORE names, or the one on the PATH.

  Exit codes: 0 done, 1 a check failed, 2 usage, 3 an image cannot be used, 6 the model cannot be used,
  7 this system cannot do it, 8 kewcore is missing, 10 a file cannot be used.
  """

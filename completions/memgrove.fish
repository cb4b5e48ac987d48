# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_memgrove_global_optspecs
    string join \n color= q/quiet h/help V/version
end

function __fish_memgrove_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_memgrove_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_memgrove_using_subcommand
    set -l cmd (__fish_memgrove_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c memgrove -n "__fish_memgrove_needs_command" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c memgrove -n "__fish_memgrove_needs_command" -s q -l quiet -d 'Print results and errors only: no notes, no progress bar'
complete -c memgrove -n "__fish_memgrove_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c memgrove -n "__fish_memgrove_needs_command" -s V -l version -d 'Print version'
complete -c memgrove -n "__fish_memgrove_needs_command" -f -a "inspect" -d 'Report a module\'s memory, toolchain, allocator and where it runs'
complete -c memgrove -n "__fish_memgrove_needs_command" -f -a "survey" -d 'Show which toolchain, with which allocator, makes the most portable module'
complete -c memgrove -n "__fish_memgrove_needs_command" -f -a "bench" -d 'Compare allocators side by side in WebAssembly'
complete -c memgrove -n "__fish_memgrove_needs_command" -f -a "fix" -d 'Make a module run anywhere: satisfy its imports inside the module'
complete -c memgrove -n "__fish_memgrove_needs_command" -f -a "swap" -d 'Put another allocator into an existing module'
complete -c memgrove -n "__fish_memgrove_needs_command" -f -a "trace" -d 'Record what a module\'s heap does, without rebuilding it'
complete -c memgrove -n "__fish_memgrove_needs_command" -f -a "advise" -d 'Recommend an allocator for a recorded program'
complete -c memgrove -n "__fish_memgrove_needs_command" -f -a "check" -d 'Find misuse of a module\'s heap, without rebuilding it'
complete -c memgrove -n "__fish_memgrove_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c memgrove -n "__fish_memgrove_needs_command" -f -a "man" -d 'Print a manual page, or write all of them'
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -s f -l format -d 'Output format' -r -f -a "auto\t'`text` for one file, `table` for several'
text\t'Everything about each module, for reading'
table\t'One line for each module'
json\t'One JSON document for all files'
ndjson\t'One line of JSON for each file, as soon as it is inspected'
csv\t'Flat rows as CSV, one for each module or failure (see docs/rows.md)'
rows\t'The same rows as JSON, one a line'
arrow\t'The same rows as an Arrow stream, or parts of one in a folder'
parquet\t'The same rows as parts of Parquet in a folder'"
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l html -d 'Also write a report as one self-contained HTML file' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l extract -d 'Also write each core module found inside a file to the folder DIR, which must be empty or new' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l host -d 'Add a host profile of your own, as a TOML file (may be repeated)' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l require -d 'Exit with status 3 unless every module runs on this host (may be repeated)' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l policy -d 'Exit with status 3 unless every module meets the policy in FILE (see memgrove.toml in the README)' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l runs-on -d 'Show only modules that run on this host (may be repeated)' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l fails-on -d 'Show only modules that do not run on this host, or only under conditions (may be repeated)' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l allocator -d 'Show only modules whose allocator name contains TEXT' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l toolchain -d 'Show only modules whose toolchain name contains TEXT' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l imports -d 'Show only modules with an import whose `module.name` contains TEXT' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l sort -d 'Sort by KEY, largest (or least portable) first' -r -f -a "size\t'Size of the module'
memory\t'Initial memory'
imports\t'Number of imports'
hosts\t'Number of known hosts that it does not run on'"
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -s j -l jobs -d 'Number of files to inspect in parallel [default: one per processor]' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l max-size -d 'Refuse files with more bytes than this, also after unpacking' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -s o -l output -d 'Write rows to OUT: a file for csv and rows, a folder of parts for arrow and parquet' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l files-from -d 'Also inspect what FILE lists; `-` is standard input' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l max-time -d 'Stop opening or inspecting one module after so many seconds' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l max-memory -d 'Memory that a worker process may take (address space, on Unix)' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l max-nesting -d 'Archives that may lie in each other' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l max-ratio -d 'Bytes that may come out of each byte of a compressed file, beyond its first MiB' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l json -d 'The same as --format json'
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -s v -l verbose -d 'Show the evidence for each conclusion, and cut no list short'
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l allow-conditions -d 'Count "runs if" as a pass for --require'
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l list-hosts -d 'List the known hosts, including those of --host, and exit'
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -l resume -d 'Go on where an earlier run into OUT ended: inputs that are in it are skipped'
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -s q -l quiet -d 'Print results and errors only: no notes, no progress bar'
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c memgrove -n "__fish_memgrove_using_subcommand inspect" -s V -l version -d 'Print version'
complete -c memgrove -n "__fish_memgrove_using_subcommand survey" -l samples -d 'The samples\' sources [default: `samples` here or in a folder above]' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand survey" -l modules -d 'Where built modules and their manifest go [default: `out/survey/modules` next to the samples]' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand survey" -l html -d 'Write the report as one self-contained HTML file' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand survey" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand survey" -l build -d 'Build the modules with the toolchains on this machine'
complete -c memgrove -n "__fish_memgrove_using_subcommand survey" -l check -d 'Fail (status 3) if built modules differ from the shipped ones'
complete -c memgrove -n "__fish_memgrove_using_subcommand survey" -l json -d 'Print JSON; its rows keep their names and meaning from version to version'
complete -c memgrove -n "__fish_memgrove_using_subcommand survey" -s q -l quiet -d 'Print results and errors only: no notes, no progress bar'
complete -c memgrove -n "__fish_memgrove_using_subcommand survey" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c memgrove -n "__fish_memgrove_using_subcommand survey" -s V -l version -d 'Print version'
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l allocators -d 'Allocators by name, or `ours`, `peers`, `all`' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l workloads -d 'Workloads by name' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l engine -d 'Engines for wall times: wasmtime, wasmi, node, wasmtime-py (PyPI\'s, newer) [default: wasmtime, and node and wasmtime-py if installed]' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l guest -d 'Measure your own guest module (interface: guests/README.md)' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l trace -d 'Replay a recorded trace; without `--workloads`, traces only' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l scale -d 'Size of the workloads, in per cent of the standard size [default: 25, quick: 5]' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l seed -d 'Seed of the workloads\' random numbers' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l rounds -d 'Rounds of wall times; 0 counts only [default: 5, quick: 3]' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l repeat -d 'Rounds of the same work in one instance: what a heap holds after 1, 2, 20 and N of them, and whether it still grows' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l threads -d 'Numbers of threads [default: 1,2; quick: none]' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l save -d 'Save raw samples after every measurement, and resume from FILE if it exists' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l from -d 'Measure nothing; render a saved run' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l report -d 'Write a self-contained HTML report with charts' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l markdown -d 'Write the tables as Markdown' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l quick -d 'Small workloads, our allocators and the best known, wasmtime only: under half a minute'
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l plots -d 'With --markdown: also write SVG charts to a folder named like the Markdown file, and link them'
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l json -d 'Print the raw samples as JSON instead of tables'
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -l list -d 'List allocators and workloads, and exit'
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -s q -l quiet -d 'Print results and errors only: no notes, no progress bar'
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c memgrove -n "__fish_memgrove_using_subcommand bench" -s V -l version -d 'Print version'
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -s o -l output -d 'Output file; an existing file is replaced atomically, only on success' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -l explain -d 'Explain one import: its purpose, known types, what becomes of it and why, and what to try; writes nothing' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -l stub -d 'Groups of imports that may be replaced by simplified stand-ins' -r -f -a "all\t''
none\t''
wasi\t''
libc\t''
clock\t''
random\t''
exceptions\t''
glue\t''
log\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -l trap -d 'Functions that trap when called instead of staying imports: a name, a group of imports, or all the rest' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -l allocator -d 'Heap to put inside if the module imports malloc, free and their family' -r -f -a "wee\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -l host -d 'Target host (id or TOML file): imports it provides are kept, and the result has to run on it' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -l lower -d 'Write in WebAssembly 1.0 what can be: of the proposals that the target host lacks, of those named, or of all' -r -f -a "host\t''
all\t''
sign-extension\t''
saturating-float-to-int\t''
multi-value\t''
bulk-memory\t''
reference-types\t''
memory-control\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -l discard -d 'How to handle giving memory back (`__wbindgen_memory_discard`, `memory.discard`)' -r -f -a "lower\t''
raise\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -l max-memory -d 'Raise the memory\'s maximum to SIZE, such as 256MiB, where the module declares a smaller one' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -l glue -d 'The module\'s JavaScript, made by Emscripten: it names the minified imports' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -l max-size -d 'Refuse files with more bytes than this, also after unpacking' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -s n -l dry-run -d 'Only report what would be done'
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -l partial -d 'Write the output even if imports remain or the target host does not run it; the status stays 3'
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -l accept-unverified -d 'Exit with status 0 although nothing of the result could be run'
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -l json -d 'Write plan and verification as JSON'
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -s q -l quiet -d 'Print results and errors only: no notes, no progress bar'
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c memgrove -n "__fish_memgrove_using_subcommand fix" -s V -l version -d 'Print version'
complete -c memgrove -n "__fish_memgrove_using_subcommand swap" -l to -d 'The new allocator' -r -f -a "wee\t''
dlmalloc\t''
jemalloc\t''
hoard\t''
hardened\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand swap" -s o -l output -d 'Output file; an existing file is replaced atomically, only on success' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand swap" -l max-size -d 'Refuse files with more bytes than this, also after unpacking' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand swap" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand swap" -s n -l dry-run -d 'Only report what would be done'
complete -c memgrove -n "__fish_memgrove_using_subcommand swap" -l accept-unverified -d 'Exit with status 0 although nothing of the result could be run'
complete -c memgrove -n "__fish_memgrove_using_subcommand swap" -l wasm-opt -d 'Report also the sizes after Binaryen\'s wasm-opt -Oz, which must be in PATH; may take minutes for a large module'
complete -c memgrove -n "__fish_memgrove_using_subcommand swap" -l json -d 'Write the report as JSON'
complete -c memgrove -n "__fish_memgrove_using_subcommand swap" -s q -l quiet -d 'Print results and errors only: no notes, no progress bar'
complete -c memgrove -n "__fish_memgrove_using_subcommand swap" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c memgrove -n "__fish_memgrove_using_subcommand swap" -s V -l version -d 'Print version'
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -s o -l output -d 'Where to write the instrumented module' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l alloc -d 'A function of the allocator, by index or name, and what it does; several with commas' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l sample -d 'Record some blocks only: one in so many bytes asked for, such as 512KiB; each figure is then an estimate' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l seed -d 'Seed of --sample; the same seed gives the same blocks' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l max-log -d 'The most memory that the recording may take; the log ends there, counts go on [default: 1GiB; with --one-memory 8MiB]' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l map -d 'With -o: write where functions and instructions of FILE are in OUT. With --resolve: read it' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l resolve -d 'Print this text, an engine\'s stack of the instrumented module, with places and names of FILE; `-` is standard input' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l dir -d 'A folder that the program may use, and its name inside; several with one option each' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l env -d 'A variable of the program\'s environment, which is empty otherwise' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l invoke -d 'Call this export with numbers in place of `_start`; a library\'s `_initialize` is called first' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l engine -d 'Run it on wasmtime or on wasmi' -r -f -a "wasmtime\t''
wasmi\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l save -d 'Write the recording, too, for --profile and --diff' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l profile -d 'Read this recording of FILE; of several instances with one memory, all of theirs with one option each' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l diff -d 'Compare two recordings of FILE: what grew from the first to the second' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l collapsed -d 'Write the stacks as lines that flame graph tools read' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l metric -d 'The value of each stack in --collapsed' -r -f -a "peak\t'Bytes live at the peak'
final\t'Bytes live at the end'
allocated\t'Bytes asked for'
count\t'Number of allocations'"
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l html -d 'Write a page with timeline, flame graph, histograms and call sites' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l dhat -d 'Write DHAT\'s JSON, for valgrind\'s dh_view.html' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l pprof -d 'Write a compressed profile.proto, for `go tool pprof`' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l firefox -d 'Write a profile with native allocations, for profiler.firefox.com' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l speedscope -d 'Write speedscope\'s JSON' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l heaptrack -d 'Write heaptrack\'s data, for heaptrack_print and heaptrack_gui' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l mgtr -d 'Write a trace for `memgrove bench --trace`; needs a recording whose log is complete' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l debug-file -d 'Take DWARF and names from this file, where FILE itself has none' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l source-map -d 'Take source files and lines from this source map' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l symbols -d 'Take function names from this symbol map (emcc --emit-symbol-map)' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l top -d 'Stacks in each list' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l max-size -d 'Refuse files with more bytes than this, also after unpacking' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l no-stacks -d 'Record sizes and blocks only, without the stacks of calls'
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l no-call-sites -d 'Record stacks of functions only, not by which of its calls a function called another'
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l one-memory -d 'Record into a block of the module\'s own allocator, for engines that know one memory only'
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l instances -d 'Several instances have one memory: number their events, so that their recordings are read together. Always done for a shared memory'
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -l json -d 'Write what is known as JSON'
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -s q -l quiet -d 'Print results and errors only: no notes, no progress bar'
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c memgrove -n "__fish_memgrove_using_subcommand trace" -s V -l version -d 'Print version'
complete -c memgrove -n "__fish_memgrove_using_subcommand advise" -l allocators -d 'Allocators or groups to try (all, ours, peers), in addition to dlmalloc [default: all]' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand advise" -l host -d 'Count what a chain charges for the instructions, and judge by that: cosmwasm, near, or a .toml file' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand advise" -l max-size -d 'Refuse modules with more bytes than this, also after unpacking' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand advise" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand advise" -l json -d 'Write the advice as JSON'
complete -c memgrove -n "__fish_memgrove_using_subcommand advise" -s q -l quiet -d 'Print results and errors only: no notes, no progress bar'
complete -c memgrove -n "__fish_memgrove_using_subcommand advise" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c memgrove -n "__fish_memgrove_using_subcommand advise" -s V -l version -d 'Print version'
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -s o -l output -d 'Where to write the instrumented module' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l profile -d 'Read the reports of this recording of FILE; of threads that share a memory, all of theirs with one option each' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l fail-on -d 'Exit with status 3 for these kinds only; by default for every kind but leak and lost. leak: blocks live at the end; lost: those of them to which certainly no pointer is left' -r -f -a "use-after-free\t''
heap-overflow\t''
heap-underflow\t''
double-free\t''
invalid-free\t''
wrong-size\t''
wrong-alignment\t''
realloc-after-free\t''
null-offset\t''
stack-overflow\t''
wrong-heap\t''
leak\t''
lost\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l suppress -d 'Leave out reports that a line `KIND:FUNCTION` of this file fits: a kind or `*`, and a part of a function\'s name' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l alloc -d 'A function of the allocator, by index or name, and what it does; several with commas' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l exact -d 'Test the reads of this function to the byte; by index or name, several with commas' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l layout -d 'Where blocks lie. apart: with red zones between them, freed ones in quarantine; same: where they do without a check' -r -f -a "apart\t''
same\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l max-log -d 'The most memory that stacks and reports may take' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l sarif -d 'Write the reports as SARIF 2.1.0' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l dir -d 'A folder that the program may use, and its name inside; several with one option each' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l env -d 'A variable of the program\'s environment, which is empty otherwise' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l invoke -d 'Call this export with numbers in place of `_start`; a library\'s `_initialize` is called first' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l engine -d 'Run it on wasmtime or on wasmi' -r -f -a "wasmtime\t''
wasmi\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l save -d 'Write the recording, too, for --profile and --diff' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l debug-file -d 'Take DWARF and names from this file, where FILE itself has none' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l source-map -d 'Take source files and lines from this source map' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l symbols -d 'Take function names from this symbol map (emcc --emit-symbol-map)' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l top -d 'Stacks of blocks that are live at the end, to show' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l max-size -d 'Refuse files with more bytes than this, also after unpacking' -r
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l by-call -d 'Check by calls in loops, too, not in line: slower, and fewer bytes'
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l no-sites -d 'Report accesses by function, width and kind, without offset or line: a shorter module'
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l no-call-sites -d 'Tell functions apart in stacks, not by which of its calls a function called another'
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -l json -d 'Write what is known as JSON'
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -s q -l quiet -d 'Print results and errors only: no notes, no progress bar'
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c memgrove -n "__fish_memgrove_using_subcommand check" -s V -l version -d 'Print version'
complete -c memgrove -n "__fish_memgrove_using_subcommand completions" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand completions" -s q -l quiet -d 'Print results and errors only: no notes, no progress bar'
complete -c memgrove -n "__fish_memgrove_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c memgrove -n "__fish_memgrove_using_subcommand completions" -s V -l version -d 'Print version'
complete -c memgrove -n "__fish_memgrove_using_subcommand man" -l dir -d 'Write every page into this folder instead' -r -F
complete -c memgrove -n "__fish_memgrove_using_subcommand man" -l color -d 'Colour the output' -r -f -a "auto\t''
always\t''
never\t''"
complete -c memgrove -n "__fish_memgrove_using_subcommand man" -s q -l quiet -d 'Print results and errors only: no notes, no progress bar'
complete -c memgrove -n "__fish_memgrove_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c memgrove -n "__fish_memgrove_using_subcommand man" -s V -l version -d 'Print version'


using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'memgrove' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'memgrove'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'memgrove' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour the output')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Report a module''s memory, toolchain, allocator and where it runs')
            [CompletionResult]::new('survey', 'survey', [CompletionResultType]::ParameterValue, 'Show which toolchain, with which allocator, makes the most portable module')
            [CompletionResult]::new('bench', 'bench', [CompletionResultType]::ParameterValue, 'Compare allocators side by side in WebAssembly')
            [CompletionResult]::new('fix', 'fix', [CompletionResultType]::ParameterValue, 'Make a module run anywhere: satisfy its imports inside the module')
            [CompletionResult]::new('swap', 'swap', [CompletionResultType]::ParameterValue, 'Put another allocator into an existing module')
            [CompletionResult]::new('trace', 'trace', [CompletionResultType]::ParameterValue, 'Record what a module''s heap does, without rebuilding it')
            [CompletionResult]::new('advise', 'advise', [CompletionResultType]::ParameterValue, 'Recommend an allocator for a recorded program')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Find misuse of a module''s heap, without rebuilding it')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print a completion script for a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print a manual page, or write all of them')
            break
        }
        'memgrove;inspect' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Output format')
            [CompletionResult]::new('--html', '--html', [CompletionResultType]::ParameterName, 'Also write a report as one self-contained HTML file')
            [CompletionResult]::new('--extract', '--extract', [CompletionResultType]::ParameterName, 'Also write each core module found inside a file to the folder DIR, which must be empty or new')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Add a host profile of your own, as a TOML file (may be repeated)')
            [CompletionResult]::new('--require', '--require', [CompletionResultType]::ParameterName, 'Exit with status 3 unless every module runs on this host (may be repeated)')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Exit with status 3 unless every module meets the policy in FILE (see memgrove.toml in the README)')
            [CompletionResult]::new('--runs-on', '--runs-on', [CompletionResultType]::ParameterName, 'Show only modules that run on this host (may be repeated)')
            [CompletionResult]::new('--fails-on', '--fails-on', [CompletionResultType]::ParameterName, 'Show only modules that do not run on this host, or only under conditions (may be repeated)')
            [CompletionResult]::new('--allocator', '--allocator', [CompletionResultType]::ParameterName, 'Show only modules whose allocator name contains TEXT')
            [CompletionResult]::new('--toolchain', '--toolchain', [CompletionResultType]::ParameterName, 'Show only modules whose toolchain name contains TEXT')
            [CompletionResult]::new('--imports', '--imports', [CompletionResultType]::ParameterName, 'Show only modules with an import whose `module.name` contains TEXT')
            [CompletionResult]::new('--sort', '--sort', [CompletionResultType]::ParameterName, 'Sort by KEY, largest (or least portable) first')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'Number of files to inspect in parallel [default: one per processor]')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Number of files to inspect in parallel [default: one per processor]')
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'Refuse files with more bytes than this, also after unpacking')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write rows to OUT: a file for csv and rows, a folder of parts for arrow and parquet')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write rows to OUT: a file for csv and rows, a folder of parts for arrow and parquet')
            [CompletionResult]::new('--files-from', '--files-from', [CompletionResultType]::ParameterName, 'Also inspect what FILE lists; `-` is standard input')
            [CompletionResult]::new('--max-time', '--max-time', [CompletionResultType]::ParameterName, 'Stop opening or inspecting one module after so many seconds')
            [CompletionResult]::new('--max-memory', '--max-memory', [CompletionResultType]::ParameterName, 'Memory that a worker process may take (address space, on Unix)')
            [CompletionResult]::new('--max-nesting', '--max-nesting', [CompletionResultType]::ParameterName, 'Archives that may lie in each other')
            [CompletionResult]::new('--max-ratio', '--max-ratio', [CompletionResultType]::ParameterName, 'Bytes that may come out of each byte of a compressed file, beyond its first MiB')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour the output')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'The same as --format json')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Show the evidence for each conclusion, and cut no list short')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show the evidence for each conclusion, and cut no list short')
            [CompletionResult]::new('--allow-conditions', '--allow-conditions', [CompletionResultType]::ParameterName, 'Count "runs if" as a pass for --require')
            [CompletionResult]::new('--list-hosts', '--list-hosts', [CompletionResultType]::ParameterName, 'List the known hosts, including those of --host, and exit')
            [CompletionResult]::new('--resume', '--resume', [CompletionResultType]::ParameterName, 'Go on where an earlier run into OUT ended: inputs that are in it are skipped')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'memgrove;survey' {
            [CompletionResult]::new('--samples', '--samples', [CompletionResultType]::ParameterName, 'The samples'' sources [default: `samples` here or in a folder above]')
            [CompletionResult]::new('--modules', '--modules', [CompletionResultType]::ParameterName, 'Where built modules and their manifest go [default: `out/survey/modules` next to the samples]')
            [CompletionResult]::new('--html', '--html', [CompletionResultType]::ParameterName, 'Write the report as one self-contained HTML file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour the output')
            [CompletionResult]::new('--build', '--build', [CompletionResultType]::ParameterName, 'Build the modules with the toolchains on this machine')
            [CompletionResult]::new('--check', '--check', [CompletionResultType]::ParameterName, 'Fail (status 3) if built modules differ from the shipped ones')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON; its rows keep their names and meaning from version to version')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'memgrove;bench' {
            [CompletionResult]::new('--allocators', '--allocators', [CompletionResultType]::ParameterName, 'Allocators by name, or `ours`, `peers`, `all`')
            [CompletionResult]::new('--workloads', '--workloads', [CompletionResultType]::ParameterName, 'Workloads by name')
            [CompletionResult]::new('--engine', '--engine', [CompletionResultType]::ParameterName, 'Engines for wall times: wasmtime, wasmi, node, wasmtime-py (PyPI''s, newer) [default: wasmtime, and node and wasmtime-py if installed]')
            [CompletionResult]::new('--guest', '--guest', [CompletionResultType]::ParameterName, 'Measure your own guest module (interface: guests/README.md)')
            [CompletionResult]::new('--trace', '--trace', [CompletionResultType]::ParameterName, 'Replay a recorded trace; without `--workloads`, traces only')
            [CompletionResult]::new('--scale', '--scale', [CompletionResultType]::ParameterName, 'Size of the workloads, in per cent of the standard size [default: 25, quick: 5]')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Seed of the workloads'' random numbers')
            [CompletionResult]::new('--rounds', '--rounds', [CompletionResultType]::ParameterName, 'Rounds of wall times; 0 counts only [default: 5, quick: 3]')
            [CompletionResult]::new('--repeat', '--repeat', [CompletionResultType]::ParameterName, 'Rounds of the same work in one instance: what a heap holds after 1, 2, 20 and N of them, and whether it still grows')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'Numbers of threads [default: 1,2; quick: none]')
            [CompletionResult]::new('--save', '--save', [CompletionResultType]::ParameterName, 'Save raw samples after every measurement, and resume from FILE if it exists')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Measure nothing; render a saved run')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write a self-contained HTML report with charts')
            [CompletionResult]::new('--markdown', '--markdown', [CompletionResultType]::ParameterName, 'Write the tables as Markdown')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour the output')
            [CompletionResult]::new('--quick', '--quick', [CompletionResultType]::ParameterName, 'Small workloads, our allocators and the best known, wasmtime only: under half a minute')
            [CompletionResult]::new('--plots', '--plots', [CompletionResultType]::ParameterName, 'With --markdown: also write SVG charts to a folder named like the Markdown file, and link them')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the raw samples as JSON instead of tables')
            [CompletionResult]::new('--list', '--list', [CompletionResultType]::ParameterName, 'List allocators and workloads, and exit')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'memgrove;fix' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output file; an existing file is replaced atomically, only on success')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output file; an existing file is replaced atomically, only on success')
            [CompletionResult]::new('--explain', '--explain', [CompletionResultType]::ParameterName, 'Explain one import: its purpose, known types, what becomes of it and why, and what to try; writes nothing')
            [CompletionResult]::new('--stub', '--stub', [CompletionResultType]::ParameterName, 'Groups of imports that may be replaced by simplified stand-ins')
            [CompletionResult]::new('--trap', '--trap', [CompletionResultType]::ParameterName, 'Functions that trap when called instead of staying imports: a name, a group of imports, or all the rest')
            [CompletionResult]::new('--allocator', '--allocator', [CompletionResultType]::ParameterName, 'Heap to put inside if the module imports malloc, free and their family')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Target host (id or TOML file): imports it provides are kept, and the result has to run on it')
            [CompletionResult]::new('--lower', '--lower', [CompletionResultType]::ParameterName, 'Write in WebAssembly 1.0 what can be: of the proposals that the target host lacks, of those named, or of all')
            [CompletionResult]::new('--discard', '--discard', [CompletionResultType]::ParameterName, 'How to handle giving memory back (`__wbindgen_memory_discard`, `memory.discard`)')
            [CompletionResult]::new('--max-memory', '--max-memory', [CompletionResultType]::ParameterName, 'Raise the memory''s maximum to SIZE, such as 256MiB, where the module declares a smaller one')
            [CompletionResult]::new('--glue', '--glue', [CompletionResultType]::ParameterName, 'The module''s JavaScript, made by Emscripten: it names the minified imports')
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'Refuse files with more bytes than this, also after unpacking')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour the output')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Only report what would be done')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only report what would be done')
            [CompletionResult]::new('--partial', '--partial', [CompletionResultType]::ParameterName, 'Write the output even if imports remain or the target host does not run it; the status stays 3')
            [CompletionResult]::new('--accept-unverified', '--accept-unverified', [CompletionResultType]::ParameterName, 'Exit with status 0 although nothing of the result could be run')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write plan and verification as JSON')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'memgrove;swap' {
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'The new allocator')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output file; an existing file is replaced atomically, only on success')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output file; an existing file is replaced atomically, only on success')
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'Refuse files with more bytes than this, also after unpacking')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour the output')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Only report what would be done')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only report what would be done')
            [CompletionResult]::new('--accept-unverified', '--accept-unverified', [CompletionResultType]::ParameterName, 'Exit with status 0 although nothing of the result could be run')
            [CompletionResult]::new('--wasm-opt', '--wasm-opt', [CompletionResultType]::ParameterName, 'Report also the sizes after Binaryen''s wasm-opt -Oz, which must be in PATH; may take minutes for a large module')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write the report as JSON')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'memgrove;trace' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Where to write the instrumented module')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Where to write the instrumented module')
            [CompletionResult]::new('--alloc', '--alloc', [CompletionResultType]::ParameterName, 'A function of the allocator, by index or name, and what it does; several with commas')
            [CompletionResult]::new('--sample', '--sample', [CompletionResultType]::ParameterName, 'Record some blocks only: one in so many bytes asked for, such as 512KiB; each figure is then an estimate')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Seed of --sample; the same seed gives the same blocks')
            [CompletionResult]::new('--max-log', '--max-log', [CompletionResultType]::ParameterName, 'The most memory that the recording may take; the log ends there, counts go on [default: 1GiB; with --one-memory 8MiB]')
            [CompletionResult]::new('--map', '--map', [CompletionResultType]::ParameterName, 'With -o: write where functions and instructions of FILE are in OUT. With --resolve: read it')
            [CompletionResult]::new('--resolve', '--resolve', [CompletionResultType]::ParameterName, 'Print this text, an engine''s stack of the instrumented module, with places and names of FILE; `-` is standard input')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'A folder that the program may use, and its name inside; several with one option each')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'A variable of the program''s environment, which is empty otherwise')
            [CompletionResult]::new('--invoke', '--invoke', [CompletionResultType]::ParameterName, 'Call this export with numbers in place of `_start`; a library''s `_initialize` is called first')
            [CompletionResult]::new('--engine', '--engine', [CompletionResultType]::ParameterName, 'Run it on wasmtime or on wasmi')
            [CompletionResult]::new('--save', '--save', [CompletionResultType]::ParameterName, 'Write the recording, too, for --profile and --diff')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Read this recording of FILE; of several instances with one memory, all of theirs with one option each')
            [CompletionResult]::new('--diff', '--diff', [CompletionResultType]::ParameterName, 'Compare two recordings of FILE: what grew from the first to the second')
            [CompletionResult]::new('--collapsed', '--collapsed', [CompletionResultType]::ParameterName, 'Write the stacks as lines that flame graph tools read')
            [CompletionResult]::new('--metric', '--metric', [CompletionResultType]::ParameterName, 'The value of each stack in --collapsed')
            [CompletionResult]::new('--html', '--html', [CompletionResultType]::ParameterName, 'Write a page with timeline, flame graph, histograms and call sites')
            [CompletionResult]::new('--dhat', '--dhat', [CompletionResultType]::ParameterName, 'Write DHAT''s JSON, for valgrind''s dh_view.html')
            [CompletionResult]::new('--pprof', '--pprof', [CompletionResultType]::ParameterName, 'Write a compressed profile.proto, for `go tool pprof`')
            [CompletionResult]::new('--firefox', '--firefox', [CompletionResultType]::ParameterName, 'Write a profile with native allocations, for profiler.firefox.com')
            [CompletionResult]::new('--speedscope', '--speedscope', [CompletionResultType]::ParameterName, 'Write speedscope''s JSON')
            [CompletionResult]::new('--heaptrack', '--heaptrack', [CompletionResultType]::ParameterName, 'Write heaptrack''s data, for heaptrack_print and heaptrack_gui')
            [CompletionResult]::new('--mgtr', '--mgtr', [CompletionResultType]::ParameterName, 'Write a trace for `memgrove bench --trace`; needs a recording whose log is complete')
            [CompletionResult]::new('--debug-file', '--debug-file', [CompletionResultType]::ParameterName, 'Take DWARF and names from this file, where FILE itself has none')
            [CompletionResult]::new('--source-map', '--source-map', [CompletionResultType]::ParameterName, 'Take source files and lines from this source map')
            [CompletionResult]::new('--symbols', '--symbols', [CompletionResultType]::ParameterName, 'Take function names from this symbol map (emcc --emit-symbol-map)')
            [CompletionResult]::new('--top', '--top', [CompletionResultType]::ParameterName, 'Stacks in each list')
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'Refuse files with more bytes than this, also after unpacking')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour the output')
            [CompletionResult]::new('--no-stacks', '--no-stacks', [CompletionResultType]::ParameterName, 'Record sizes and blocks only, without the stacks of calls')
            [CompletionResult]::new('--no-call-sites', '--no-call-sites', [CompletionResultType]::ParameterName, 'Record stacks of functions only, not by which of its calls a function called another')
            [CompletionResult]::new('--one-memory', '--one-memory', [CompletionResultType]::ParameterName, 'Record into a block of the module''s own allocator, for engines that know one memory only')
            [CompletionResult]::new('--instances', '--instances', [CompletionResultType]::ParameterName, 'Several instances have one memory: number their events, so that their recordings are read together. Always done for a shared memory')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write what is known as JSON')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'memgrove;advise' {
            [CompletionResult]::new('--allocators', '--allocators', [CompletionResultType]::ParameterName, 'Allocators or groups to try (all, ours, peers), in addition to dlmalloc [default: all]')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Count what a chain charges for the instructions, and judge by that: cosmwasm, near, or a .toml file')
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'Refuse modules with more bytes than this, also after unpacking')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour the output')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write the advice as JSON')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'memgrove;check' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Where to write the instrumented module')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Where to write the instrumented module')
            [CompletionResult]::new('--profile', '--profile', [CompletionResultType]::ParameterName, 'Read the reports of this recording of FILE; of threads that share a memory, all of theirs with one option each')
            [CompletionResult]::new('--fail-on', '--fail-on', [CompletionResultType]::ParameterName, 'Exit with status 3 for these kinds only; by default for every kind but leak and lost. leak: blocks live at the end; lost: those of them to which certainly no pointer is left')
            [CompletionResult]::new('--suppress', '--suppress', [CompletionResultType]::ParameterName, 'Leave out reports that a line `KIND:FUNCTION` of this file fits: a kind or `*`, and a part of a function''s name')
            [CompletionResult]::new('--alloc', '--alloc', [CompletionResultType]::ParameterName, 'A function of the allocator, by index or name, and what it does; several with commas')
            [CompletionResult]::new('--exact', '--exact', [CompletionResultType]::ParameterName, 'Test the reads of this function to the byte; by index or name, several with commas')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'Where blocks lie. apart: with red zones between them, freed ones in quarantine; same: where they do without a check')
            [CompletionResult]::new('--max-log', '--max-log', [CompletionResultType]::ParameterName, 'The most memory that stacks and reports may take')
            [CompletionResult]::new('--sarif', '--sarif', [CompletionResultType]::ParameterName, 'Write the reports as SARIF 2.1.0')
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'A folder that the program may use, and its name inside; several with one option each')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'A variable of the program''s environment, which is empty otherwise')
            [CompletionResult]::new('--invoke', '--invoke', [CompletionResultType]::ParameterName, 'Call this export with numbers in place of `_start`; a library''s `_initialize` is called first')
            [CompletionResult]::new('--engine', '--engine', [CompletionResultType]::ParameterName, 'Run it on wasmtime or on wasmi')
            [CompletionResult]::new('--save', '--save', [CompletionResultType]::ParameterName, 'Write the recording, too, for --profile and --diff')
            [CompletionResult]::new('--debug-file', '--debug-file', [CompletionResultType]::ParameterName, 'Take DWARF and names from this file, where FILE itself has none')
            [CompletionResult]::new('--source-map', '--source-map', [CompletionResultType]::ParameterName, 'Take source files and lines from this source map')
            [CompletionResult]::new('--symbols', '--symbols', [CompletionResultType]::ParameterName, 'Take function names from this symbol map (emcc --emit-symbol-map)')
            [CompletionResult]::new('--top', '--top', [CompletionResultType]::ParameterName, 'Stacks of blocks that are live at the end, to show')
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'Refuse files with more bytes than this, also after unpacking')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour the output')
            [CompletionResult]::new('--by-call', '--by-call', [CompletionResultType]::ParameterName, 'Check by calls in loops, too, not in line: slower, and fewer bytes')
            [CompletionResult]::new('--no-sites', '--no-sites', [CompletionResultType]::ParameterName, 'Report accesses by function, width and kind, without offset or line: a shorter module')
            [CompletionResult]::new('--no-call-sites', '--no-call-sites', [CompletionResultType]::ParameterName, 'Tell functions apart in stacks, not by which of its calls a function called another')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Write what is known as JSON')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'memgrove;completions' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour the output')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'memgrove;man' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Write every page into this folder instead')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colour the output')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print results and errors only: no notes, no progress bar')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}

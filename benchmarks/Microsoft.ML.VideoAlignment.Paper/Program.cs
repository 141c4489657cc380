using Microsoft.ML.VideoAlignment.Paper;

const string Help = """
    The tables and figures of VADER (arXiv 2407.08737), reproduced on the embedded world.

    dotnet run -c Release --project benchmarks/Microsoft.ML.VideoAlignment.Paper -- COMMAND [options]

      table1             base, DDPO, Diffusion-DPO, VADER x aesthetic, preference, action x prompts of alignment, unseen prompts
      fig4               the distance between VADER and DDPO at three resolutions
      fig7               reward against queries and against seconds
      truncation         with and without truncation and frame subsampling: memory and reward
      fig9               videos three times as long, aligned to V-JEPA's consistency
      sensitivity        the most sensitive step against the last one
      table2             the human-preference kit: a page that shows pairs of videos blind
      table2 FILE ...    turns downloaded answers into the win-rate table
      compare A B        two run cards (run-card.json) side by side
      all                everything but compare

      --quick            minutes instead of an hour or two: shows that it runs, proves nothing
      --parallel N       runs at a time, each of one thread (default 2); 0: none, pages from the runs that are there
      --results FOLDER   where runs, pages and images go (default results beside this program's source, quick: out/paper-quick)
      --help             this text

    Every run is one file under FOLDER/cells, written when it is whole: a command that was stopped goes on where it was.
    """;

return CommandLine.Run("Paper", Help, args, Run);

static int Run(CommandLine line)
{
    if (line.Flag(CellProcess.Command))
    {
        string folder = line.Text("--results")!;
        CellRun.Run(CellStore.FromText(line.Text("--cell")!), new CellStore(folder));
        return 0;
    }

    bool quick = line.Flag("--quick");
    string results = Path.GetFullPath(line.Text("--results")
        ?? (quick ? Path.Combine("out", "paper-quick") : Path.Combine("benchmarks", "Microsoft.ML.VideoAlignment.Paper", "results")));
    int parallel = line.Number("--parallel", 2, minimum: 0);
    IReadOnlyList<string> words = line.Words();
    string command = words.Count > 0 ? words[0] : throw new UsageException("name a command; see --help");
    if (command is not (CompareCards.Name or Table2.Name) && words.Count > 1)
    {
        throw new UsageException($"unknown word '{words[1]}'; see --help");
    }

    string cells = Path.Combine(results, "cells");
    var store = new CellStore(cells);
    var desk = new ExperimentContext(quick ? Scale.Quick : Scale.Full, new ExperimentRunner(store, parallel, new CellProcess(cells).Run), store, results, quick
        ? " --quick" : "");
    (string Name, Action Run)[] commands =
    [
        (Table1.Name, () => Table1.Run(desk)),
        (Fig7.Name, () => Fig7.Run(desk)),
        (Truncation.Name, () => Truncation.Run(desk)),
        (Fig9.Name, () => Fig9.Run(desk)),
        (Sensitivity.Name, () => Sensitivity.Run(desk)),
        (Fig4.Name, () => Fig4.Run(desk)),
        (Table2.Name, () => Table2.Run(desk, [.. words.Skip(1)])),
    ];
    Directory.CreateDirectory(results);
    Action run = command == CompareCards.Name ? () => CompareCards.Run([.. words.Skip(1)], results)
        : command == "all" ? () => Array.ForEach(commands, each => each.Run())
        : commands.FirstOrDefault(each => each.Name == command).Run ?? throw new UsageException($"unknown command '{command}'; see --help");
    run();
    Console.WriteLine($"{command}: results are in {Path.GetRelativePath(Environment.CurrentDirectory, results)}");
    return 0;
}

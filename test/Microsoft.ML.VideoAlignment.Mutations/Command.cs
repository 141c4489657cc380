using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>The command line.</summary>
internal static class Command
{
    private const string Help = """
        Puts faults into the rooms where numbers are made (sign, factor, index, order, off by one, missing term, swapped branch, dropped statement, ...), one
        at a time, and runs the tests that reach the code, the cheapest first, until one fails. All faults are compiled in once, each behind a switch.

        dotnet run -c Release --project test/Microsoft.ML.VideoAlignment.Mutations -- [options]

          --rooms A,B     of training, sampling, schedulers, lora, rewards, evaluation; all by default
          --count N       faults a room (40)
          --seed N        draws the faults (1)
          --budget N      processor seconds of tests that a fault gets; 0: all that reach it (60)
          --resume        go on from the table; without it every fault is tried again
          --again         with --resume: try again what was not seen
          --list          print the faults and end
          --out FILE      the table (test/mutations.tsv)
          --scratch DIR   where the faulty library and the workers' files go (a folder of the temporary folder)
          --help          this text
        """;

    /// <summary>Does what the arguments ask for, and returns the exit code.</summary>
    /// <param name="args">See <see cref="Help"/>.</param>
    public static int Run(string[] args)
    {
        if (args.Contains("--help"))
        {
            Console.WriteLine(Help);
            return 0;
        }

        string? Text(string name) => Array.IndexOf(args, name) is var at and >= 0
            ? args.ElementAtOrDefault(at + 1) ?? throw new ArgumentException($"{name} needs a value.") : null;
        int Number(string name, int otherwise) => Text(name) is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        bool Flag(string name) => args.Contains(name);

        string root = FindRoot();
        string configuration = Path.GetFileName(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)))!;
        string testProject = Path.Combine(root, "test", "Microsoft.ML.VideoAlignment.Tests"),
            built = Path.Combine(testProject, "bin", configuration, "net10.0");
        string scratch = Text("--scratch") ?? Path.Combine(Path.GetTempPath(), "videoalignment-mutations");
        (int count, int seed, int budget) = (Number("--count", 40), Number("--seed", 1), Number("--budget", 60));
        string[] asked = Text("--rooms")?.Split(',') ?? [.. Room.All.Select(room => room.Name)];
        if (asked.FirstOrDefault(name => Room.All.All(room => room.Name != name)) is { } unknown)
        {
            Console.Error.WriteLine($"--rooms must be of {string.Join(", ", Room.All.Select(room => room.Name))}, got '{unknown}'.");
            return 2;
        }

        Console.WriteLine("reading the sources");
        var sources = new Sources(root, built, configuration);
        IReadOnlyList<FaultSite> faults = Draw(root, sources, asked, count, seed);
        if (Flag("--list"))
        {
            foreach (FaultSite site in faults)
            {
                Console.WriteLine(site.Fault.Name);
            }

            return 0;
        }

        var stage = new Stage(built, Path.Combine(scratch, "stage"));
        sources.Emit(faults, stage.Library);
        using var worker = new Worker(stage);
        Coverage coverage = Cover(worker, testProject, built, scratch, sources, faults);
        worker.End();
        var table = new ResultTable(Text("--out") ?? Path.Combine(root, "test", "mutations.tsv"), Flag("--resume"));
        table.Keep(faults.Select(site => site.Fault));
        TryEach(faults, table, new MutationRun(worker, coverage, budget), again: Flag("--again"));
        table.Print(new Equivalents(Path.Combine(root, "test", "Microsoft.ML.VideoAlignment.Mutations", "equivalents.tsv")).Of);
        return 0;
    }

    private static string FindRoot()
    {
        string root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "Microsoft.ML.VideoAlignment.sln")))
        {
            root = Path.GetDirectoryName(root) ?? throw new DirectoryNotFoundException("No solution file above the program: run it from a checkout.");
        }

        return root;
    }

    private static IReadOnlyList<FaultSite> Draw(string root, Sources sources, string[] asked, int count, int seed)
    {
        Dictionary<string, FaultSite[]> all = Room.All.Where(room => asked.Contains(room.Name)).ToDictionary(
            room => room.Name,
            room => sources.Files.Where(file => room.Has(file.Key)).SelectMany(file => FaultFinder.Find(room, file.Key, file.Value, sources.Model(file.Value)))
                .ToArray());

        // The compiler refuses some: more are drawn than are wanted.
        IReadOnlyList<FaultSite> taken = sources.Compilable([.. all.Values.SelectMany(sites => Selection.Draw(sites, (2 * count) + 20, seed))]);
        IReadOnlyList<FaultSite> byHand =
            HandMade.Find(Path.Combine(root, "test", "Microsoft.ML.VideoAlignment.Mutations", "handmade.tsv"), sources.Files, asked);
        IReadOnlyList<FaultSite> faults = [.. taken.GroupBy(site => site.Fault.Room).SelectMany(sites => Selection.Draw(sites, count, seed)),
            .. sources.Compilable(byHand)];
        if (byHand.Count + taken.GroupBy(site => site.Fault.Room).Sum(sites => Math.Min(count, sites.Count())) != faults.Count)
        {
            throw new InvalidDataException("handmade.tsv: the compiler refuses a row.");
        }

        foreach (IGrouping<string, FaultSite> room in faults.GroupBy(site => site.Fault.Room))
        {
            Console.WriteLine($"{room.Key}: {room.Count()} of {all[room.Key].Length} faults");
        }

        return faults;
    }

    /// <summary>Runs the tests once without a fault, to know which of them reach which fault.</summary>
    private static Coverage Cover(Worker worker, string testProject, string built, string scratch, Sources sources, IReadOnlyList<FaultSite> faults)
    {
        IEnumerable<string> classesOfTests =
            Room.TestFolders.SelectMany(folder => Directory.EnumerateFiles(Path.Combine(testProject, folder), "*.cs", SearchOption.AllDirectories))
            .SelectMany(path => Regex.Matches(File.ReadAllText(path), @"\bclass (\w+)").Select(match => match.Groups[1].Value)).Distinct()
            .Except(Room.TestsElsewhere);
        IReadOnlyList<string> tests = worker.List(classesOfTests);
        string key = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n',
            [.. faults.Select(site => site.Fault.Name), .. sources.Files.Select(file => file.Value.ToString()),
                Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(Path.Combine(built, "Microsoft.ML.VideoAlignment.Tests.dll"))))]))))[..12];
        Console.WriteLine($"{tests.Count} tests without a fault");
        Coverage coverage = Coverage.Measure(worker, tests, faults.Count, Path.Combine(scratch, $"coverage-{key}.jsonl"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{coverage.Count} tests, {coverage.Seconds:0} s of processor time"));
        foreach (WorkerEvent failed in coverage.Failed)
        {
            Console.WriteLine($"fails without a fault and is left out: {failed.Test}: {failed.Message}");
        }

        return coverage;
    }

    private static void TryEach(IReadOnlyList<FaultSite> faults, ResultTable table, MutationRun campaign, bool again)
    {
        for (int number = 0; number < faults.Count; number++)
        {
            FaultSite site = faults[number];
            if (table[site.Fault] is { } known && (known.IsSeen || !again))
            {
                continue;
            }

            HashSet<int> relatives = [.. faults.Index().Where(other => other.Item.Fault.File == site.Fault.File).Select(other => other.Index)];
            Verdict verdict = campaign.Try(number, site, relatives);
            table.Set(site.Fault, verdict);
            Console.WriteLine(
                $"{number + 1,4}/{faults.Count} {verdict.Result} ({verdict.By}): {site.Fault.Name.Replace("\t", " | ", StringComparison.Ordinal)}");
        }
    }
}

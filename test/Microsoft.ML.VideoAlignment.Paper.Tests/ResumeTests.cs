using System.Text.Json;
using Microsoft.ML.VideoAlignment.Paper;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A run is done when its file has its place, and then is not done again.</summary>
public class ResumeTests
{
    private static readonly ExperimentConfig s_cell = Scale.Quick.Cell(Methods.Vader, PaperRewards.Aesthetic, seed: 7, learningRate: 1e-3);

    private string _folder = "";
    private CellStore _store = null!;

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("cells-").FullName;
        _store = new CellStore(_folder);
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void WhatIsWrittenIsFoundAsItWas()
    {
        Assert.That(_store.Find(s_cell), Is.Null);
        CellResult result = Result(s_cell);
        _store.Write(result);
        CellResult found = _store.Find(s_cell)!;
        Assert.That(found.Cell, Is.EqualTo(s_cell));
        Assert.That(found.Curve, Is.EqualTo(result.Curve));
        Assert.That(found.Unseen, Is.EqualTo(result.Unseen));
        Assert.That((found.CpuSeconds, found.PeakBytes, found.Commit), Is.EqualTo((result.CpuSeconds, result.PeakBytes, result.Commit)));
        Assert.That(Directory.EnumerateFiles(_folder), Has.Exactly(1).Items, "no temporary file is left");
        Assert.That(CellStore.FromText(CellStore.ToText(s_cell)), Is.EqualTo(s_cell));
    }

    /// <summary>A property that is renamed would leave its value in the files unread, and their runs would be done again.</summary>
    [Test]
    public void EveryRunOfThePagesIsRead()
    {
        string root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "Microsoft.ML.VideoAlignment.sln")))
        {
            root = Path.GetDirectoryName(root) ?? throw new InvalidOperationException("The tests do not run in the repository.");
        }

        string cells = Path.Combine(root, "benchmarks", "Microsoft.ML.VideoAlignment.Paper", "results", "cells");
        string[] known = [.. typeof(ExperimentConfig).GetProperties().Select(property => property.Name)];
        string[] files = Directory.GetFiles(cells, "*.json");
        Assert.That(files, Has.Length.GreaterThan(100));
        foreach (string file in files)
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllText(file));
            JsonElement cell = json.RootElement.GetProperty("Cell");
            Assert.That(cell.EnumerateObject().Select(property => property.Name), Is.SubsetOf(known), file);
            Assert.That(new CellStore(cells).Find(CellStore.FromText(cell.GetRawText())), Is.Not.Null, file);
        }
    }

    [Test]
    public void AResultOfOtherSettingsIsNone()
    {
        _store.Write(Result(s_cell));
        ExperimentConfig other = s_cell with { Prompts = s_cell.Prompts + 1 };
        Assert.That(_store.PathOf(other), Is.EqualTo(_store.PathOf(s_cell)), "they share a name, so the content must decide");
        Assert.That(_store.Find(other), Is.Null);
    }

    [Test]
    public void AHalfWrittenFileIsNone()
    {
        _store.Write(Result(s_cell));
        string text = File.ReadAllText(_store.PathOf(s_cell));
        File.WriteAllText(_store.PathOf(s_cell), text[..(text.Length / 2)]);
        Assert.That(_store.Find(s_cell), Is.Null);
    }

    [Test]
    public void AResultWithoutItsVideosIsNone()
    {
        ExperimentConfig videoed = s_cell with { Videos = 2 };
        _store.Write(Result(videoed));
        File.WriteAllText(_store.VideoOf(videoed, 0), "");
        Assert.That(_store.Find(videoed), Is.Null);
        File.WriteAllText(_store.VideoOf(videoed, 1), "");
        Assert.That(_store.Find(videoed), Is.Not.Null);
    }

    /// <summary>Two are done, one broke off, one was never begun, one fails: a second campaign does just the last three.</summary>
    [Test]
    public void AnUnfinishedCellIsDoneAgainAndAFinishedOneIsNot([Values(1, 3)] int parallel)
    {
        ExperimentConfig[] cells = [.. Enumerable.Range(1, 5).Select(seed => s_cell with { Seed = seed })];
        _store.Write(Result(cells[0]));
        _store.Write(Result(cells[1]));
        File.WriteAllText(_store.PathOf(cells[2]) + ".tmp", "{");
        var run = new List<int>();
        var campaign = new ExperimentRunner(_store, parallel, cell =>
        {
            lock (run)
            {
                run.Add(cell.Seed);
            }

            if (cell.Seed == 5)
            {
                return "it broke";
            }

            _store.Write(Result(cell));
            return null;
        });
        Assert.That(campaign.Complete([.. cells, cells[0]]).Select(result => result.Cell.Seed), Is.EqualTo(new[] { 1, 2, 3, 4 }));
        Assert.That(run, Is.EquivalentTo(new[] { 3, 4, 5 }));
        run.Clear();
        campaign.Complete(cells);
        Assert.That(run, Is.EqualTo(new[] { 5 }), "what failed is tried again, nothing else");
    }

    [Test]
    public void WithoutProcessesOnlyWhatIsThereCounts()
    {
        _store.Write(Result(s_cell));
        var campaign = new ExperimentRunner(_store, parallel: 0, _ => throw new AssertionException("nothing may run"));
        Assert.That(campaign.Complete([s_cell, s_cell with { Seed = 8 }]), Has.Count.EqualTo(1));
    }

    private static CellResult Result(ExperimentConfig cell) => new()
    {
        Cell = cell,
        Curve = [new CurvePoint(16, 1.5, 1.25, 5.5)],
        Aligned = new Dictionary<string, double> { [PaperRewards.Aesthetic] = 6 },
        Unseen = new Dictionary<string, double> { [PaperRewards.Aesthetic] = 5.5 },
        Seconds = 1.5,
        CpuSeconds = 1.25,
        PeakBytes = 1000,
        Machine = "a machine",
        Commit = "01234567",
    };
}

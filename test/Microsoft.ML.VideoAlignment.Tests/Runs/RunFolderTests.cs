using Microsoft.ML.VideoAlignment.Runs;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What is in a run's folder, and what becomes of it when files are damaged, foreign, or of another run.</summary>
public class RunFolderTests
{
    private static readonly RunCase s_run = RunCase.Named("last-step kept");
    private TemporaryFolder _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = new TemporaryFolder();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    [Test]
    public void ItHoldsTheTwoNewestStatesAndTheLock()
    {
        s_run.Fit(_folder.ToString());
        string[] names = [.. Directory.EnumerateFiles(_folder.ToString()).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal)];
        Assert.That(names[0], Is.EqualTo("run.lock"));
        Assert.That(names[1..].Select(name => StateName.Parse(name)!.Step), Is.EqualTo(new[] { 5, 6 }));
        Assert.That(names[1..].Select(name => StateName.Parse(name)!.Run), Is.All.EqualTo(StateName.Parse(names[1])!.Run));
    }

    /// <summary>The best was measured in the first step, whose state is long gone.</summary>
    [Test]
    public void TheBestOutlivesTheStatesOfItsStep()
    {
        VideoAlignmentOptions Longer(VideoAlignmentOptions options, int steps) => options with
        {
            Optimizer = options.Optimizer with { Steps = steps },
            Validation = options.Validation with { EarlyStopPatience = null, Every = 1 },
        };
        byte[] best = s_run.Fit(folder: null, Falling(100), options => Longer(options, 1));
        Assert.That(s_run.Fit(_folder.ToString(), Falling(100), options => Longer(options, 5)), Is.EqualTo(best));
        Assert.That(s_run.Fit(_folder.ToString(), Falling(50), options => Longer(options, 9)), Is.EqualTo(best));
    }

    [Test]
    public void AFinishedRunIsNotTrainedAgain()
    {
        byte[] first = s_run.Fit(_folder.ToString());
        var log = new List<string>();
        int steps = 0;
        Assert.That(s_run.Fit(_folder.ToString(), log: log, control: RunCase.EachStep with { Progress = new Reported(_ => steps++) }), Is.EqualTo(first));
        Assert.That(steps, Is.Zero);
        Assert.That(log, Has.One.Contains("has done its 6 steps").And.One.Contains("not trained again"));
    }

    [Test]
    public void AFinishedRunGoesOnWithMoreSteps()
    {
        VideoAlignmentOptions Steps(VideoAlignmentOptions options, int steps) => options with
        {
            Optimizer = options.Optimizer with { Steps = steps },
            Validation = options.Validation with { Every = 1, EarlyStopPatience = null },
        };
        byte[] expected = s_run.Fit(folder: null, change: options => Steps(options, 6));
        s_run.Fit(_folder.ToString(), change: options => Steps(options, 4));
        var log = new List<string>();
        Assert.That(s_run.Fit(_folder.ToString(), log: log, change: options => Steps(options, 6)), Is.EqualTo(expected));
        Assert.That(log, Has.One.Contains("Resuming after step 4 of 6"));
        Assert.That(log, Has.None.Contains("changed since"), "more steps are no change");
    }

    [Test]
    public void AnEarlyStopIsTheEndUnlessPatienceGrows()
    {
        int steps = 0;
        VideoAlignmentOptions Patient(VideoAlignmentOptions options, int patience) =>
            options with { Validation = options.Validation with { Every = 1, EarlyStopPatience = patience } };
        RunControl control = RunCase.EachStep with { Progress = new Reported(_ => steps++) };
        byte[] first = s_run.Fit(_folder.ToString(), Falling(100), options => Patient(options, 2), control: control);
        Assert.That(steps, Is.EqualTo(3), "the first and two that are no better");
        var log = new List<string>();
        Assert.That(s_run.Fit(_folder.ToString(), Falling(50), options => Patient(options, 2), log: log, control: control), Is.EqualTo(first));
        Assert.That(steps, Is.EqualTo(3));
        Assert.That(log, Has.One.Contains("Stopped after step 3"));
        s_run.Fit(_folder.ToString(), Falling(50), options => Patient(options, 4), control: control);
        Assert.That(steps, Is.EqualTo(5));
    }

    /// <summary>Cut at many lengths, ended by zeros, with bytes turned over, empty: what a full disk, a power failure or a bad cable leaves.</summary>
    [Test]
    public void ADamagedStateGivesWayToTheOneBefore()
    {
        byte[] expected = s_run.Fit(_folder.ToString());
        (string newest, string before) = (States()[1], States()[0]);
        byte[] whole = File.ReadAllBytes(newest);
        foreach (byte[] damaged in Damages(whole))
        {
            File.WriteAllBytes(newest, damaged);
            Assert.That(() => RunState.Open(newest), Throws.TypeOf<RunFolderException>(), $"{damaged.Length} of {whole.Length} bytes");
        }

        foreach (byte[] damaged in new[] { whole[..^1], [], [.. whole[..(whole.Length / 2)], .. new byte[whole.Length - (whole.Length / 2)]] })
        {
            File.WriteAllBytes(newest, damaged);
            var log = new List<string>();
            Assert.That(s_run.Fit(_folder.ToString(), log: log), Is.EqualTo(expected));
            Assert.That(
                log.Where(line => line.Contains(Path.GetFileName(newest), StringComparison.Ordinal))
                    .Where(line => !line.Contains("Goes on", StringComparison.Ordinal)),
                Has.Exactly(1).Items.And.One.Contains(Path.GetFileName(before)));
            Assert.That(File.ReadAllBytes(newest), Has.Length.EqualTo(whole.Length), "written anew");
        }
    }

    [Test]
    public void WithoutAReadableStateNothingBeginsFromZero()
    {
        s_run.Fit(_folder.ToString());
        foreach (string state in States())
        {
            File.WriteAllBytes(state, [.. File.ReadAllBytes(state).Take(1000)]);
        }

        int steps = 0;
        Assert.That(
            () => s_run.Fit(_folder.ToString(), control: RunCase.EachStep with { Progress = new Reported(_ => steps++) }),
            Throws.TypeOf<RunFolderException>().With.Message.Contains("none of the run's states can be read")
                .And.Message.Contains(Path.GetFileName(States()[0])).And.Message.Contains(Path.GetFileName(States()[1])));
        Assert.That(steps, Is.Zero);
        Assert.That(States(), Has.Length.EqualTo(2), "they are left for who may repair them");
    }

    [Test]
    public void FilesOfOthersAreNeverTouched()
    {
        string[] foreign =
        [
            "notes.txt", "state-00000003.safetensors", "state-1-0123abcd.safetensors", "state-00000001-0123abcd.safetensors.bak", "step-1.safetensors",
            "x.partial",
        ];
        foreach (string name in foreign)
        {
            File.WriteAllText(_folder.Path(name), name);
        }

        string partial = $"state-00000001-0123abcd.safetensors.{Guid.NewGuid():N}.partial";
        File.WriteAllText(_folder.Path(partial), "of a process that was killed");
        s_run.Fit(_folder.ToString());
        Assert.That(foreign.Select(name => File.ReadAllText(_folder.Path(name))), Is.EqualTo(foreign));
        Assert.That(File.Exists(_folder.Path(partial)), Is.False);
    }

    [Test]
    public void StatesOfAnotherRunAreNamedAndNotMixedIn()
    {
        byte[] expected = s_run.Fit(folder: null);
        Canceled(_folder.ToString(), after: 2, seed: 3);
        Canceled(_folder.Path("other"), after: 4, seed: 5);
        string other = Directory.GetFiles(_folder.Path("other"), "state-00000004-*").Single();
        string there = _folder.Path(Path.GetFileName(other));
        File.Copy(other, there);
        var log = new List<string>();
        Assert.That(s_run.Fit(_folder.ToString(), log: log), Is.EqualTo(expected));
        Assert.That(log, Has.One.Contains("states of another run").And.One.Contains(Path.GetFileName(other)));
        Assert.That(File.ReadAllBytes(there), Is.EqualTo(File.ReadAllBytes(other)));
    }

    [Test]
    public void WhereNothingSaysWhoseTheFolderIsTheUserDoes()
    {
        Canceled(_folder.ToString(), after: 2, seed: 3);
        Canceled(_folder.Path("other"), after: 4, seed: 5);
        string other = Directory.GetFiles(_folder.Path("other"), "state-00000004-*").Single();
        File.Copy(other, _folder.Path(Path.GetFileName(other)));
        File.Delete(_folder.Path(RunLock.FileName));
        Assert.That(() => s_run.Fit(_folder.ToString()), Throws.TypeOf<RunFolderException>().With.Message.Contains("states of 2 runs"));
        File.Delete(_folder.Path(Path.GetFileName(other)));
        Assert.That(s_run.Fit(_folder.ToString()), Is.EqualTo(s_run.Fit(folder: null)), "one run's states say it themselves");
    }

    [Test]
    public void AStateUnderAnothersNameIsNotReadAsThat()
    {
        byte[] expected = s_run.Fit(_folder.ToString());
        (string newest, string before) = (States()[1], States()[0]);
        File.Copy(before, newest, overwrite: true);
        var log = new List<string>();
        Assert.That(s_run.Fit(_folder.ToString(), log: log), Is.EqualTo(expected));
        Assert.That(log, Has.One.Contains("its name says step 6").And.One.Contains("its content is step 5"));
    }

    [Test]
    public void TwoRunsCannotUseOneFolderAtOnce()
    {
        bool tried = false;
        s_run.Fit(_folder.ToString(), control: RunCase.EachStep with { Progress = new Reported(_ => Second()) });
        Assert.That(tried);
        Assert.That(() => s_run.Fit(_folder.ToString()), Throws.Nothing, "the lock is let go");

        void Second()
        {
            tried = true;
            Assert.That(() => s_run.Fit(_folder.ToString()), Throws.TypeOf<RunFolderException>().With.Message.Contains("another run is using this folder"));
        }
    }

    [Test]
    public void AFolderThatCannotBeWrittenIsToldBeforeTheFirstStep()
    {
        string file = _folder.Write("file", [1]);
        int steps = 0;
        foreach (string path in new[] { file, Path.Combine(file, "below") })
        {
            Assert.That(
                () => s_run.Fit(path, control: RunCase.EachStep with { Progress = new Reported(_ => steps++) }),
                Throws.TypeOf<RunFolderException>().With.Message.Contains(path).And.Message.Contains("cannot be written"));
        }

        Assert.That(steps, Is.Zero);
    }

    /// <summary>A folder takes the place of the state that is to be written.</summary>
    [Test]
    public void AStateThatCannotBeWrittenLosesNeitherTheWeightsNorTheStateBefore()
    {
        byte[] expected = s_run.Fit(folder: null);
        var failure = Assert.Throws<TrainingStepException>(
            () => s_run.Fit(_folder.ToString(), control: RunCase.EachStep with { Progress = new Reported(Block) }));
        Assert.That(failure.InnerException, Is.TypeOf<RunFolderException>().With.Message.Contains("cannot be written"));
        Assert.That(File.Exists(failure.LastGoodWeights));
        foreach (string blocked in Directory.GetDirectories(_folder.ToString()))
        {
            Directory.Delete(blocked);
        }

        Assert.That(s_run.Fit(_folder.ToString()), Is.EqualTo(expected));

        void Block(VideoAlignmentProgress step)
        {
            if (step.Step == 3)
            {
                Directory.CreateDirectory(_folder.Path(Path.GetFileName(States()[^1]).Replace("00000003", "00000004", StringComparison.Ordinal)));
            }
        }
    }

    /// <summary>Neither the context nor the options name a seed, so each process has another; the run has one.</summary>
    [Test]
    public void ARunWithoutASeedKeepsTheOneItHad()
    {
        var log = new List<string>();
        VideoAlignmentOptions Unseeded(VideoAlignmentOptions options) => options with { Seed = null };
        byte[] whole = [];
        using (var stop = new CancellationTokenSource())
        {
            s_run.Fit(
                _folder.ToString(), change: options => Unseeded(options),
                    control: RunCase.EachStep with { CancellationToken = stop.Token, Progress = new Reported(_ => stop.Cancel()) });
        }

        int seed;
        using (var state = RunState.Open(States()[^1]))
        {
            seed = state.Seed;
        }

        whole = s_run.Fit(folder: null, change: options => options with { Seed = seed });
        Assert.That(s_run.Fit(_folder.ToString(), change: Unseeded, log: log), Is.EqualTo(whole));
        Assert.That(log, Has.None.Contains("changed since"));
    }

    /// <summary>Every measurement is worse than the one before.</summary>
    private static VideoReward Falling(double from) =>
        VideoRewards.Custom("falling", (frames, _) => frames.requires_grad ? frames.mean([1, 2, 3, 4]) : full(frames.shape[0], from--));

    private string[] States() => [.. Directory.GetFiles(_folder.ToString(), "state-*.safetensors").Order(StringComparer.Ordinal)];

    private static void Canceled(string folder, int after, int seed)
    {
        using var stop = new CancellationTokenSource();
        void Report(VideoAlignmentProgress step)
        {
            if (step.Step == after)
            {
                stop.Cancel();
            }
        }

        s_run.Fit(folder, change: options => options with { Seed = seed },
            control: RunCase.EachStep with { CancellationToken = stop.Token, Progress = new Reported(Report) });
    }

    private static IEnumerable<byte[]> Damages(byte[] whole)
    {
        var random = new Random(1);
        int[] lengths = [0, 1, 7, 8, 9, 100, whole.Length / 2, whole.Length - 1, .. Enumerable.Range(0, 40).Select(_ => random.Next(whole.Length))];
        foreach (int length in lengths)
        {
            yield return whole[..length];
            yield return [.. whole[..length], .. new byte[whole.Length - length]];
        }

        foreach (int place in Enumerable.Range(0, 100).Select(_ => random.Next(whole.Length)))
        {
            byte[] flipped = [.. whole];
            flipped[place] ^= (byte)(1 << random.Next(8));
            yield return flipped;
        }

        yield return [.. whole, 0];
    }
}

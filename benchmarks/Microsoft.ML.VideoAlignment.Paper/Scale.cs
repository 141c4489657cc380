namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>The sizes of a campaign, all in one place.</summary>
internal sealed record Scale
{
    /// <summary>The committed figures: about an hour and a half of two cores for everything.</summary>
    public static Scale Full { get; } = new();

    /// <summary>Minutes: to see that all of it runs. Too small to judge by.</summary>
    public static Scale Quick { get; } = new()
    {
        Seeds = 2,
        Queries = 32,
        Prompts = 4,
        MeasureEvery = 16,
        LongQueries = 64,
        LongSeeds = 2,
        SearchQueries = 16,
        Rates = [1e-3],
        Resolutions = [16, 32],
        LongVideoQueries = 8,
        FirstFrames = 4,
        PreferencePairs = 2,
    };

    /// <summary>Runs of each kind, each with a seed of its own: an interval is over them.</summary>
    public int Seeds { get; init; } = 5;

    /// <summary>Videos that each method may have scored.</summary>
    public int Queries { get; init; } = 128;

    /// <summary>Videos of the longer DDPO runs, which look for the place where DDPO is as far as VADER: ten times as many as VADER has at most.</summary>
    public int LongQueries { get; init; } = 1280;

    /// <summary>Seeds of the longer DDPO runs.</summary>
    public int LongSeeds { get; init; } = 2;

    public int Batch { get; init; } = 8;

    /// <summary>DDIM steps of the text-to-video model. With eta 1 DDPO's policy is what all methods sample from.</summary>
    public int SamplerSteps { get; init; } = 5;

    /// <summary>Steps of the image-to-video model's Euler sampler.</summary>
    public int ImageSamplerSteps { get; init; } = 10;

    /// <summary>1: none, which halves the work of every method.</summary>
    public double Guidance { get; init; } = 1;

    public double Eta { get; init; } = 1;

    /// <summary>Prompts of alignment; as many unseen ones are measured.</summary>
    public int Prompts { get; init; } = 12;

    /// <summary>Videos of training between two measurements.</summary>
    public int MeasureEvery { get; init; } = 32;

    /// <summary>Videos of a run of the search for learning rates.</summary>
    public int SearchQueries { get; init; } = 128;

    /// <summary>Learning rates that are tried for each method.</summary>
    public IReadOnlyList<double> Rates { get; init; } = [3e-4, 1e-3, 3e-3, 1e-2];

    /// <summary>Sides of square videos in pixels, multiples of 8; the model was trained at 32.</summary>
    public IReadOnlyList<int> Resolutions { get; init; } = [16, 24, 32];

    /// <summary>Long videos that a run of them has scored.</summary>
    public int LongVideoQueries { get; init; } = 384;

    /// <summary>First frames that long videos are aligned on; as many unseen ones are measured.</summary>
    public int FirstFrames { get; init; } = 48;

    /// <summary>
    /// Learning rates of runs of long videos, on V-JEPA alone and on a mix: alone the videos' backgrounds go at the higher one (0.25 kept after 384 videos).
    /// </summary>
    public (double Alone, double Mix) LongVideoRates { get; init; } = (3e-4, 5e-4);

    /// <summary>Pairs that a person is shown.</summary>
    public int PreferencePairs { get; init; } = 12;

    /// <summary>A run of this size.</summary>
    public ExperimentConfig Cell(string method, string reward, int seed, double learningRate) => new()
    {
        Method = method,
        Reward = reward,
        Seed = seed,
        LearningRate = method == Methods.Base ? Methods.NoLearning : learningRate,
        Queries = method == Methods.Base ? Batch : Queries,
        Batch = Batch,
        SamplerSteps = SamplerSteps,
        Guidance = Guidance,
        Eta = Eta,
        Size = 32,
        Window = Methods.WindowFor(reward),
        Prompts = Prompts,
        MeasureEvery = method == Methods.Base ? Batch : MeasureEvery,
        Videos = seed == 1 ? PreferencePairs : 0,
    };

    /// <summary>A run of the image-to-video model, of this size.</summary>
    public ExperimentConfig ImageCell(string method, string reward, int seed, double learningRate) => Cell(method, reward, seed, learningRate) with
    {
        Model = ExperimentConfig.Image,
        SamplerSteps = ImageSamplerSteps,
        Videos = 0,
    };

    /// <summary>A run of videos three times as long, of the image-to-video model.</summary>
    public ExperimentConfig LongVideoCell(string method, string reward, int seed) => Cell(
        method, reward, seed, reward == PaperRewards.Consistency ? LongVideoRates.Alone : LongVideoRates.Mix) with
    {
        Model = ExperimentConfig.Image,
        Segments = 3,
        Queries = method == Methods.Base ? 4 : LongVideoQueries,
        Batch = 4,
        SamplerSteps = ImageSamplerSteps,
        Window = "sensitive 3",
        Prompts = FirstFrames,
        MeasureEvery = method == Methods.Base ? 4 : LongVideoQueries,
        Videos = seed == 1 ? Math.Min(FirstFrames, 12) : 0,
    };

    /// <summary>The seeds, 1 and on.</summary>
    public IEnumerable<int> SeedList => Enumerable.Range(1, Seeds);
}

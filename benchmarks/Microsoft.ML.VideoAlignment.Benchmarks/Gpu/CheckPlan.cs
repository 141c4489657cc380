using System.Globalization;

namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>The phases of the check, in the order they run, with the seconds that each may take.</summary>
internal static class CheckPlan
{
    /// <summary>The phase of conformance cases.</summary>
    public const string Conformance = "conformance";

    /// <summary>The phase of gradient proofs.</summary>
    public const string Gradient = "gradient";

    /// <summary>The phase of runs that fail.</summary>
    public const string Failures = "failures";

    /// <summary>The phases of one training step each.</summary>
    public const string Step = "step";

    /// <summary>The phase beside the reference's graphs.</summary>
    public const string Peer = "peer";

    // On the CPU only what hangs is ended: a busy machine takes ten times as long.
    private const double CpuLimit = 300;

    // Convolutions, attention and samplers in a few seconds: the tests run all suites on the CPU.
    private static readonly string[] s_fewSuites = ["S06-unet3d", "S07-vae-kl", "S11-schedulers"];

    /// <summary>Makes the phases.</summary>
    /// <param name="cpu">Whether they run on the CPU at tiny size.</param>
    /// <param name="tests">The test assembly.</param>
    /// <param name="card">The CUDA device that they see as their first.</param>
    public static IReadOnlyList<CheckPhase> Phases(bool cpu, string tests, int card)
    {
        string form = cpu ? "cpu" : "gpu";
        string program = typeof(CheckPlan).Assembly.Location;
        var phases = new List<CheckPhase>
        {
            new(Conformance, tests, ConformanceArguments(0), cpu ? CpuLimit : 130)
            {
                After = done => ConformanceArguments(done),
                Environment = new Dictionary<string, string> { ["CONFORMANCE_DEVICE"] = cpu ? "cpu" : "cuda:0" },
            },
            Own(Gradient, 80, (cpu ? CpuLimit / 2 : 65).ToString(CultureInfo.InvariantCulture)),
            Own(Failures, 60),
        };

        // What is fast first, so that a slow card still shows it.
        foreach (string precision in (string[])["BFloat16", "Float32"])
        {
            IEnumerable<string> families = cpu && precision == "BFloat16" ? FamilyModels.Names.Take(1) : FamilyModels.Names;
            phases.AddRange(families.Select(family => Own(Step, 100, family, precision)));
        }

        phases.Add(Own(Peer, 60));
        return [.. phases.Select(phase => cpu ? phase : phase with { Environment = OnCard(phase.Environment) })];

        CheckPhase Own(string name, double limit, params string[] more) =>
            new(string.Join(' ', (string[])[name, .. name == Step ? more : []]), program, [GpuCheck.PhaseOption, name, form, .. more], cpu ? CpuLimit : limit);

        string[] ConformanceArguments(int done) => ["conformance", done.ToString(CultureInfo.InvariantCulture), .. cpu ? s_fewSuites : []];

        // The CUDA runtime reads memory of the first card that it sees.
        Dictionary<string, string> OnCard(IReadOnlyDictionary<string, string> variables) =>
            new(variables) { ["CUDA_VISIBLE_DEVICES"] = card.ToString(CultureInfo.InvariantCulture) };
    }
}

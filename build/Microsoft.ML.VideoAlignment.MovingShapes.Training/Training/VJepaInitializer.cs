using Microsoft.ML.VideoAlignment.Rewards.VJepa;
using Parameter = TorchSharp.Modules.Parameter;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Training;

/// <summary>
/// Initial values of the V-JEPA of this world, with two beginnings that V-JEPA does not have: most filters of the patches give nearly nothing for an even gray,
/// and the predictor's attention begins by looking for what is alike, which is the same place at other times.
/// </summary>
internal static class VJepaInitializer
{
    private const int PlainFilters = 8; // one filter in so many keeps its mean
    private const double FilterGain = 3;
    private const double Likeness = 1.2;

    /// <summary>Fills a network or a part of it, and makes all but the position tables trainable.</summary>
    /// <param name="module">The network.</param>
    /// <param name="grid">Tokens over time, rows and columns.</param>
    /// <param name="generator">Source of every draw.</param>
    public static void Fill(nn.Module module, (long Frames, long Rows, long Columns) grid, Generator generator)
    {
        Initializer.Fill(module, generator, (name, parameter) =>
            Place(name, parameter, grid) || Predict(name, parameter, generator) || Project(name, parameter, generator));
        foreach ((string name, Parameter parameter) in module.named_parameters())
        {
            parameter.requires_grad = !IsTable(name);
        }
    }

    private static bool IsTable(string name) => name.EndsWith("pos_embed", StringComparison.Ordinal);

    private static bool Place(string name, Parameter parameter, (long Frames, long Rows, long Columns) grid)
    {
        if (!IsTable(name))
        {
            return false;
        }

        using Tensor table = SinusoidTable.Make(parameter.shape[2], grid, uniformPower: true);
        parameter.copy_(table.unsqueeze(0));
        return true;
    }

    // Queries = keys = a multiple of an orthogonal matrix; values as torch does.
    private static bool Predict(string name, Parameter parameter, Generator generator)
    {
        if (!name.Contains("predictor_blocks.", StringComparison.Ordinal) || !name.Contains(".qkv_proj.", StringComparison.Ordinal))
        {
            return false;
        }

        using DisposeScope scope = NewDisposeScope();
        long width = parameter.shape[0] / 3;
        double bound = 1 / Math.Sqrt(width);
        parameter.uniform_(-bound, bound, generator);
        if (parameter.dim() == 1)
        {
            parameter.narrow(0, 0, 2 * width).zero_();
            return true;
        }

        Tensor alike = linalg.qr(randn([width, width], generator: generator)).Q * Likeness;
        parameter.narrow(0, 0, width).copy_(alike);
        parameter.narrow(0, width, width).copy_(alike);
        return true;
    }

    private static bool Project(string name, Parameter parameter, Generator generator)
    {
        if (!VitInitializer.Fill(name, parameter, generator))
        {
            return false;
        }

        if (name.EndsWith("patch_embed.proj.weight", StringComparison.Ordinal))
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor most = parameter.narrow(0, 0, parameter.shape[0] - (parameter.shape[0] / PlainFilters));
            most.sub_(most.mean([1, 2, 3, 4], keepdim: true)).mul_(FilterGain);
        }

        return true;
    }
}

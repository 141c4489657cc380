using System.Text.Json;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>A suite whose kinds are a network and its parts, each with a method of its own.</summary>
public abstract class NetworkRunner : IConformanceRunner
{
    private readonly IReadOnlyDictionary<string, Action<ConformanceCase>> _kinds;

    /// <param name="suite">Such as "S06-unet3d".</param>
    /// <param name="kinds">What is done with a case of each kind.</param>
    protected NetworkRunner(string suite, IReadOnlyDictionary<string, Action<ConformanceCase>> kinds) => (Suite, _kinds) = (suite, kinds);

    public string Suite { get; }

    public IReadOnlyCollection<string> Kinds => [.. _kinds.Keys];

    public void Run(ConformanceCase testCase)
    {
        ArgumentNullException.ThrowIfNull(testCase);
        _kinds[testCase.Kind](testCase);
    }

    /// <summary>Fills a module with the case's weights, runs it on those inputs of these names that the case has, and compares outputs and gradients.</summary>
    private protected static void Check(
        ConformanceCase c, nn.Module module, string[] inputNames, Func<Dictionary<string, Tensor>, Dictionary<string, Tensor>> run, KeyMap? keys = null)
    {
        ArgumentNullException.ThrowIfNull(c);
        keys ??= KeyMap.Identity;
        JsonElement weights = c.Json.GetProperty("weights")[0];
        using (IWeightSource file = WeightFile.Open(c.PathOf(weights.GetProperty("file").GetString()!)))
        {
            WeightLoader.Load(module, file, weights.GetProperty("prefix").GetString()!, keys);
        }

        Dictionary<string, Tensor> parameters = module.state_dict();
        Tensor Parameter(string name) => parameters[keys.MapName(name)!];
        c.RequireParameterGradients(Parameter);
        Dictionary<string, Tensor> inputs = c.Inputs(inputNames);
        c.CheckOutputsAndGradients(run(inputs), inputs, Parameter);
    }
}

using System.Text.Json;
using Microsoft.ML.VideoAlignment.Schedulers;
using Microsoft.ML.VideoAlignment.Tensors;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>One case of the conformance suites: inputs and weights, and what the reference implementation made of them.</summary>
public sealed class ConformanceCase
{
    private readonly Dictionary<string, Tensor> _tensors = new(StringComparer.Ordinal);
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    private ConformanceCase(string folder, JsonElement json)
    {
        Folder = folder;
        Json = json;
        Suite = json.GetProperty("suite").GetString()!;
        Name = json.GetProperty("case").GetString()!;
        Kind = json.GetProperty("kind").GetString()!;
    }

    public string Folder { get; }

    public string Suite { get; }

    public string Name { get; }

    public string Kind { get; }

    /// <summary>The whole case.json.</summary>
    public JsonElement Json { get; }

    /// <summary>The configuration, in the reference's own keys.</summary>
    public JsonElement Config => Json.GetProperty("config");

    public JsonElement Arguments => Json.GetProperty("arguments");

    private double OutTolerance => CaseDevice.Tolerance(Json.GetProperty("tolerance").GetProperty("out").GetDouble());

    private double GradTolerance => CaseDevice.Tolerance(Json.GetProperty("tolerance").GetProperty("grad").GetDouble());

    /// <summary>Where the cases are: CONFORMANCE_DIR when set, else the copy beside the test assembly.</summary>
    public static string Root =>
        IsElsewhere
            ? Environment.GetEnvironmentVariable("CONFORMANCE_DIR")!
            : Path.Combine(TestContext.CurrentContext.TestDirectory, "Conformance", "Cases");

    /// <summary>
    /// Whether <see cref="Root"/> is another folder than this project's own cases, of which the tests know how many there are and what is in them.
    /// </summary>
    public static bool IsElsewhere => Environment.GetEnvironmentVariable("CONFORMANCE_DIR") is { Length: > 0 };

    /// <summary>Every case of every suite that is there, by folder.</summary>
    public static IEnumerable<ConformanceCase> All() =>
        !Directory.Exists(Root)
            ? []
            : Directory.EnumerateFiles(Root, "case.json", SearchOption.AllDirectories)
                .Where(path => Path.GetRelativePath(Root, path).Split(Path.DirectorySeparatorChar).Length == 3)
                .Order(StringComparer.Ordinal)
                .Select(path => Load(Path.GetDirectoryName(path)!));

    public static ConformanceCase Load(string folder)
    {
        // Not plain JSON: a scheduler's keys may hold Python's -Infinity.
        return new ConformanceCase(folder, SchedulerConfig.ReadFile(Path.Combine(folder, "case.json")));
    }

    public override string ToString() => $"{Suite}/{Name}";

    public string PathOf(string relative) => Path.GetFullPath(Path.Combine(Folder, relative));

    /// <summary>A tensor of the case, such as "in.sample"; owned by the case. Inputs are on <see cref="CaseDevice"/>, reference values on the CPU.</summary>
    public Tensor this[string name]
    {
        get
        {
            _read.Add(name);
            return Find(name) ?? throw new KeyNotFoundException($"{this} has no tensor {name}.");
        }
    }

    /// <summary>Whether the case asks for a gradient; where it does not, its forward pass alone is compared.</summary>
    public bool HasGradient => Names("in.cotangent").Concat(Names("grad.")).Any();

    /// <summary>What the reference gave and the run so far has not been compared with.</summary>
    public IReadOnlyList<string> Unread => MayBeRefused ? [] : [.. Names("out.").Concat(Names("grad.")).Where(name => !_read.Contains(name))];

    /// <summary>Whether the case is a file that need not be read, whatever the reference made of it.</summary>
    private bool MayBeRefused =>
        Json.TryGetProperty("arguments", out JsonElement arguments) && arguments.TryGetProperty("expect", out JsonElement expect)
        && expect.ValueKind == JsonValueKind.String && expect.GetString() is "refuse" or "survive";

    /// <summary>A tensor of the case, or null when the case has none of this name.</summary>
    public Tensor? Find(string name)
    {
        if (_tensors.Count == 0)
        {
            using var file = new SafetensorsFile(PathOf("tensors.safetensors"));
            foreach (string key in file.Entries.Keys)
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor value = file.Read(key);
                _tensors[key] = (key.StartsWith("in.", StringComparison.Ordinal) ? value.to(CaseDevice.Device) : value).DetachFromDisposeScope();
            }
        }

        return _tensors.GetValueOrDefault(name);
    }

    /// <summary>Names of the case's tensors that start with <paramref name="prefix"/>.</summary>
    public IEnumerable<string> Names(string prefix)
    {
        _ = File.Exists(PathOf("tensors.safetensors")) ? Find("") : null;
        return _tensors.Keys.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal);
    }

    /// <summary>An input that gradient is asked for: a leaf that requires grad where the case has grad.in.NAME.</summary>
    public Tensor Input(string name) => this[$"in.{name}"].clone().requires_grad_(Find($"grad.in.{name}") is not null);

    /// <summary>Those inputs of these names that the case has: a case of a whole network may run a part of it.</summary>
    public Dictionary<string, Tensor> Inputs(params string[] names) =>
        names.Where(name => Find($"in.{name}") is not null).ToDictionary(name => name, Input, StringComparer.Ordinal);

    /// <summary>Compares with out.NAME.</summary>
    public void CheckOutput(string name, Tensor actual) => Compare($"out.{name}", actual, OutTolerance);

    /// <summary>Compares with the tensor <paramref name="name"/> within the gradient tolerance.</summary>
    public void CheckGradient(string name, Tensor? actual)
    {
        Assert.That(actual is not null, $"{this}: {name} has no gradient");
        Compare(name, actual!, GradTolerance);
    }

    /// <summary>
    /// Checks every output of the case; what a runner made besides, since it makes all that its kind can have, is left aside. Then back-propagates sum(out *
    /// cotangent) over those with a cotangent and checks all gradients of the case.
    /// <paramref name="parameter"/> finds a parameter by the reference's state-dict key; parameters asked for must require grad before the forward run
    /// (<see cref="RequireParameterGradients"/>).
    /// </summary>
    public void CheckOutputsAndGradients(IReadOnlyDictionary<string, Tensor> outputs, IReadOnlyDictionary<string, Tensor> inputs,
        Func<string, Tensor>? parameter = null)
    {
        string[] missing = [.. Names("out.").Select(name => name["out.".Length..]).Where(name => !outputs.ContainsKey(name))];
        Assert.That(missing, Is.Empty, $"{this}: outputs that the runner did not make");
        Dictionary<string, Tensor> asked = outputs.Where(output => Find($"out.{output.Key}") is not null).ToDictionary(StringComparer.Ordinal);
        Assert.That(asked, Is.Not.Empty, $"{this}: the case has no output");
        foreach ((string name, Tensor value) in asked)
        {
            CheckOutput(name, value.detach());
        }

        Tensor? total = null;
        foreach (string name in outputs.Keys.Where(name => Find($"in.cotangent.{name}") is not null))
        {
            Tensor term = (outputs[name] * this[$"in.cotangent.{name}"]).sum();
            total = total is null ? term : total + term;
        }

        if (total is null)
        {
            Assert.That(Names("grad."), Is.Empty, $"{this}: gradients of what? There is no in.cotangent of any output.");
            return;
        }

        total.backward();
        foreach (string name in Names("grad.in."))
        {
            CheckGradient(name, inputs[name["grad.in.".Length..]].grad);
        }

        foreach (string name in Names("grad.param."))
        {
            Assert.That(parameter, Is.Not.Null, $"{this}: {name} asked for");
            CheckGradient(name, LikeTheReference(this[name], parameter!(name["grad.param.".Length..]).grad));
        }
    }

    /// <summary>A convolution of size 1 of the reference may be a matrix here (KeyMap.Reshape): the same numbers without axes of size 1.</summary>
    private static Tensor? LikeTheReference(Tensor expected, Tensor? gradient) =>
        gradient is not null && gradient.shape.Where(size => size != 1).SequenceEqual(expected.shape.Where(size => size != 1))
            ? gradient.reshape(expected.shape) : gradient;

    /// <summary>Makes the parameters that the case asks gradients of require grad. The argument maps a reference key to the parameter.</summary>
    public void RequireParameterGradients(Func<string, Tensor> parameter)
    {
        foreach (string name in Names("grad.param."))
        {
            parameter(name["grad.param.".Length..]).requires_grad_(true);
        }
    }

    /// <summary>max|a-b| / max|b| within <paramref name="tolerance"/>; integers and booleans exactly.</summary>
    private void Compare(string name, Tensor actual, double tolerance)
    {
        Tensor expected = this[name];
        Assert.That(actual.shape, Is.EqualTo(expected.shape), $"{this}: shape of {name}");
        using Tensor a = actual.detach().cpu().to_type(ScalarType.Float64).flatten();
        using Tensor b = expected.to_type(ScalarType.Float64).flatten();
        if (b.numel() == 0)
        {
            return;
        }

        bool exact = !expected.is_floating_point();
        using Tensor difference = (a - b).abs().nan_to_num(nan: double.PositiveInfinity);
        double error = difference.max().item<double>();
        double scale = b.abs().max().item<double>();
        long at = difference.argmax().item<long>();
        double allowed = exact ? 0 : tolerance * scale;
        Assert.That(error <= allowed,
            $"{this}: {name} {Shapes.Describe(expected)}: largest error {error:g4} at flat index {at} ({a[at].item<double>():g7} for "
                + $"{b[at].item<double>():g7}); " +
            $"max|reference| {scale:g4}, relative {error / scale:g4}, allowed {tolerance:g4}");
    }
}

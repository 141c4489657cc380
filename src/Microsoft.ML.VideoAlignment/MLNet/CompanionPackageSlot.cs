namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>What this library knows of a package without having it.</summary>
/// <param name="name">The package's name.</param>
/// <param name="models">What saved files call its models.</param>
/// <param name="rewards">What the kinds of its rewards begin with.</param>
/// <param name="register">The call that makes it known, as a program writes it.</param>
/// <param name="find">Looks it up among the program's assemblies; it returns null where the program does not have it.</param>
internal sealed class CompanionPackageSlot(string name, IReadOnlyList<string> models, string rewards, string register, Func<CompanionPackage?> find)
{
    private volatile CompanionPackage? _content;

    /// <summary>The package's name.</summary>
    public string Name => name;

    /// <summary>The package, once it was found or registered; null: not yet.</summary>
    public CompanionPackage? Content
    {
        get => _content;
        set => _content = value;
    }

    /// <summary>Tells whether a name is that of one of the package's models.</summary>
    /// <param name="model">What a saved file calls the model.</param>
    public bool HasModel(string model) => models.Contains(model, StringComparer.Ordinal);

    /// <summary>Tells whether a reward is one of the package's.</summary>
    /// <param name="kind">What a saved file calls the kind of reward.</param>
    public bool HasReward(string kind) => kind.StartsWith(rewards, StringComparison.Ordinal);

    /// <summary>Finds the package.</summary>
    /// <param name="what">What it is needed for, as an error names it.</param>
    /// <exception cref="InvalidOperationException">The program does not have it.</exception>
    public CompanionPackage Require(string what) => _content ??= find() ?? throw new InvalidOperationException(
        $"The file names {what} of the package {name}, which this program does not have. Add it: dotnet add package {name}. "
            + $"A program that has it and still gets this message, because it is trimmed or loads its assemblies itself, calls {register} before loading.");
}

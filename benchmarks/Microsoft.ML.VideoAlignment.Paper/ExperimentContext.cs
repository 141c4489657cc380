namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>What every subcommand works with: sizes, runs, and the folder that pages go to.</summary>
internal sealed record ExperimentContext(Scale Scale, ExperimentRunner Campaign, CellStore Store, string Folder, string Arguments)
{
    private LearningRates? _rates;

    /// <summary>The learning rates of the methods, searched for when first asked.</summary>
    public LearningRates Rates => _rates ??= LearningRates.Search(this);

    public string this[string file] => Path.Combine(Folder, file);

    public string Command(string name) => $"dotnet run -c Release --project benchmarks/Microsoft.ML.VideoAlignment.Paper -- {name}{Arguments}";
}

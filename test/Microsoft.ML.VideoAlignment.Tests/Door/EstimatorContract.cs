using Microsoft.ML.Data;
using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>What every estimator owes ML.NET, after TestEstimatorCore of dotnet/machinelearning. Each estimator's fixture runs all of it.</summary>
internal static class EstimatorContract
{
    /// <summary>The schema promised before fitting is the schema delivered, by transformer, view and mapper.</summary>
    public static void SchemaIsAsPromised<T>(IEstimator<T> estimator, IDataView input)
        where T : class, ITransformer
    {
        SchemaShape promised = estimator.GetOutputSchema(MlNetInterop.GetShape(input.Schema));
        T transformer = estimator.Fit(input);
        DataViewSchema delivered = transformer.GetOutputSchema(input.Schema);

        Assert.That(Describe(MlNetInterop.GetShape(delivered)), Is.EquivalentTo(Describe(promised)));
        Assert.That(Describe(transformer.Transform(input).Schema), Is.EqualTo(Describe(delivered)));
        Assert.That(transformer.IsRowToRowMapper, Is.True);
        IRowToRowMapper mapper = transformer.GetRowToRowMapper(input.Schema);
        Assert.That(Describe(mapper.OutputSchema), Is.EqualTo(Describe(delivered)));
        Assert.That(mapper.InputSchema, Is.SameAs(input.Schema));
        Assert.That(mapper.GetDependencies(mapper.OutputSchema.Where(column => column.Index < input.Schema.Count)).Count(), Is.EqualTo(input.Schema.Count));
    }

    /// <summary>Bad input fails before fitting, while fitting, and when a fitted transformer meets it, always by the same error.</summary>
    public static void BadInputFails<T>(IEstimator<T> estimator, IDataView good, IDataView bad, string columnInMessage)
        where T : class, ITransformer
    {
        T transformer = estimator.Fit(good);
        Action[] ways =
        [
            () => estimator.GetOutputSchema(MlNetInterop.GetShape(bad.Schema)), () => estimator.Fit(bad), () => transformer.Transform(bad),
            () => transformer.GetOutputSchema(bad.Schema), () => transformer.GetRowToRowMapper(bad.Schema),
        ];
        foreach (Action way in ways)
        {
            Assert.That(way, Throws.TypeOf<ArgumentOutOfRangeException>()
                .With.Property(nameof(ArgumentException.ParamName)).EqualTo("inputSchema").And.Message.Contains($"'{columnInMessage}'"));
        }
    }

    /// <summary>Saved, and loaded into another context, a transformer has the same schema and gives the same values.</summary>
    public static void SurvivesSaving<T>(MLContext context, IEstimator<T> estimator, IDataView input, MLContext other)
        where T : class, ITransformer
    {
        T transformer = estimator.Fit(input);
        using var zip = new MemoryStream();
        context.Model.Save(transformer, input.Schema, zip);
        zip.Position = 0;
        ITransformer loaded = other.Model.Load(zip, out DataViewSchema inputSchema);
        Assert.That(Describe(inputSchema), Is.EqualTo(Describe(input.Schema)));
        (IDataView before, IDataView after) = (transformer.Transform(input), loaded.Transform(input));
        Assert.That(Describe(after.Schema), Is.EqualTo(Describe(before.Schema)));
        Assert.That(Values(after), Is.EqualTo(Values(before)));
    }

    /// <summary>Disposing twice is harmless; a disposed transformer says so.</summary>
    public static void DisposesTwice<T>(IEstimator<T> estimator, IDataView input)
        where T : class, ITransformer, IDisposable
    {
        T transformer = estimator.Fit(input);
        IDataView view = transformer.Transform(input);
        transformer.Dispose();
        Assert.That(transformer.Dispose, Throws.Nothing);
        Assert.That(() => transformer.Transform(input), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => Values(view), Throws.TypeOf<ObjectDisposedException>());
    }

    /// <summary>The appended column, row by row, as numbers.</summary>
    public static float[][] Values(IDataView view)
    {
        DataViewSchema.Column column = view.Schema[^1];
        return column.Type is VectorDataViewType
            ? [.. view.GetColumn<VBuffer<float>>(column).Select(values => values.DenseValues().ToArray())]
            : [.. view.GetColumn<float>(column).Select(value => new[] { value })];
    }

    public static IEnumerable<string> Describe(DataViewSchema schema) => schema.Select(column =>
        $"{column.Name}: {column.Type} {(column.IsHidden ? "hidden" : "")} "
            + $"[{string.Join("; ", column.Annotations.Schema.Select(annotation => $"{annotation.Name}: {annotation.Type}"))}]");

    private static IEnumerable<string> Describe(SchemaShape shape) => shape.Select(column =>
        $"{column.Name}: {column.Kind} {column.ItemType} {column.IsKey} "
            + $"[{string.Join("; ", column.Annotations.Select(annotation => $"{annotation.Name}: {annotation.Kind} {annotation.ItemType}").Order())}]");
}

using Microsoft.ML.Data;

namespace Microsoft.ML.VideoAlignment.Tests;

public class VideoAlignmentTransformerTests
{
    private DoorRig _rig = null!;
    private VideoAlignmentTransformer _transformer = null!;

    [SetUp]
    public void Fit()
    {
        _rig = new DoorRig();
        _transformer = _rig.Estimator().Fit(_rig.Prompts);
    }

    [TearDown]
    public void Dispose() => _transformer.Dispose();

    [Test]
    public void TheColumnSaysWhatItHolds()
    {
        DataViewSchema.Column column = _transformer.GetOutputSchema(_rig.Prompts.Schema)["Video"];
        var type = (VectorDataViewType)column.Type;
        Assert.That(type.ItemType, Is.EqualTo(NumberDataViewType.Single));
        Assert.That(type.Dimensions, Is.EqualTo(new[] { 2, 3, 4, 8 }));
        ReadOnlyMemory<char> layout = default;
        VBuffer<float> range = default;
        column.Annotations.GetValue("VideoLayout", ref layout);
        column.Annotations.GetValue("ValueRange", ref range);
        Assert.That(layout.ToString(), Is.EqualTo("T,C,H,W; RGB"));
        Assert.That(range.DenseValues(), Is.EqualTo(new[] { 0f, 1f }));
    }

    [Test]
    public void NothingIsGeneratedUntilTheColumnIsRead()
    {
        IDataView view = _transformer.Transform(_rig.Prompts);
        Assert.That(view.GetColumn<string>("Prompt").Count(), Is.EqualTo(3));
        Assert.That(view.GetColumn<float>("Weight").Sum(), Is.EqualTo(3));
        Assert.That(view.GetRowCount(), Is.EqualTo(3));
        Assert.That(_rig.Model.Generations, Is.Zero);
        Assert.That(view.GetColumn<VBuffer<float>>("Video").First().Length, Is.EqualTo(2 * 3 * 4 * 8));
        Assert.That(_rig.Model.Generations, Is.EqualTo(1), "rows are generated as they are reached");
    }

    [Test]
    public void PreviewGeneratesEachRowOnce()
    {
        Assert.That(_transformer.Transform(_rig.Prompts).Preview(2).RowView, Has.Length.EqualTo(2));
        Assert.That(_rig.Model.Generations, Is.EqualTo(2));
    }

    [Test]
    public void AColumnThatWasNotAskedForSaysSo()
    {
        IDataView view = _transformer.Transform(_rig.Prompts);
        using DataViewRowCursor cursor = view.GetRowCursor([view.Schema["Prompt"]]);
        Assert.That(cursor.IsColumnActive(view.Schema["Video"]), Is.False);
        Assert.That(() => cursor.GetGetter<VBuffer<float>>(view.Schema["Video"]), Throws.InvalidOperationException);
        using DataViewRowCursor video = view.GetRowCursor([view.Schema["Video"]]);
        Assert.That(() => video.GetGetter<float>(view.Schema["Video"]), Throws.InvalidOperationException.With.Message.Contains("Video"));
    }

    [Test]
    public void ARowGivesTheSameVideoInAnyOrder()
    {
        IDataView table = _rig.Table([.. Enumerable.Range(0, 20).Select(row => $"prompt {row}")]);
        Dictionary<string, float[]> straight = ByPrompt(_transformer.Transform(table));
        IDataView shuffled = _rig.Context.Data.ShuffleRows(_transformer.Transform(table), seed: 3);
        Assert.That(shuffled.GetColumn<string>("Prompt"), Is.Not.EqualTo(straight.Keys), "the order is another");
        Assert.That(ByPrompt(shuffled), Is.EqualTo(straight));
        Assert.That(ByPrompt(_transformer.Transform(_rig.Context.Data.ShuffleRows(table, seed: 4))), Is.EqualTo(straight));
        Assert.That(ByPrompt(_transformer.Transform(_rig.Context.Data.SkipRows(table, 15))), Is.SubsetOf(straight));
    }

    [Test]
    public void ASeedColumnTellsRowsOfOnePromptApart()
    {
        IDataView table = _rig.Table("same", "same");
        float[][] plain = EstimatorContract.Values(_transformer.Transform(table));
        float[][] seeded = EstimatorContract.Values(
            _rig.Estimator(DoorRig.ThreeSteps with { Sampling = DoorRig.ThreeSteps.Sampling with { SeedColumnName = "Draw" } }).Fit(table).Transform(table));
        Assert.That(plain[1], Is.EqualTo(plain[0]));
        Assert.That(seeded[1], Is.Not.EqualTo(seeded[0]));
        IDataView wide = _rig.Context.Data.LoadFromEnumerable([new { Prompt = "same", Draw = 0L }, new { Prompt = "same", Draw = 1L }]);
        Assert.That(EstimatorContract.Values(_rig.Estimator(DoorRig.ThreeSteps with { Sampling = DoorRig.ThreeSteps.Sampling with { SeedColumnName = "Draw" } })
            .Fit(table).Transform(wide)),
            Is.EqualTo(seeded));
    }

    [Test]
    public void MlNetsOwnPartsReadTheColumn()
    {
        IDataView view = _transformer.Transform(_rig.Prompts);
        float[][] values = EstimatorContract.Values(view);
        DataOperationsCatalog data = _rig.Context.Data;
        Assert.That(EstimatorContract.Values(data.TakeRows(view, 2)), Is.EqualTo(values.Take(2)));
        Assert.That(data.CreateEnumerable<VideoRow>(view, reuseRowObject: false).Select(row => row.Video), Is.EqualTo(values));

        int before = _rig.Model.Generations;
        IDataView cached = data.Cache(view, "Video");
        Assert.That(cached.GetColumn<VBuffer<float>>("Video").Select(row => row.DenseValues().ToArray()), Is.EqualTo(values));
        Assert.That(cached.GetColumn<VBuffer<float>>("Video").Count(), Is.EqualTo(3));
        Assert.That(_rig.Model.Generations - before, Is.EqualTo(3), "a cache reads once");

        IDataView normalized = _rig.Context.Transforms.NormalizeMinMax("Small", "Video").Fit(view).Transform(view);
        Assert.That(normalized.GetColumn<VBuffer<float>>("Small").Count(), Is.EqualTo(3));
        Assert.That(_rig.Context.Data.TrainTestSplit(view, 0.5, seed: 1).TestSet.GetColumn<VBuffer<float>>("Video").Count(), Is.LessThan(3));
    }

    [Test]
    public void ABinaryFileKeepsValuesDimensionsAndAnnotations()
    {
        IDataView view = _transformer.Transform(_rig.Prompts);
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"{Guid.NewGuid():N}.idv");
        using (FileStream file = File.Create(path))
        {
            _rig.Context.Data.SaveAsBinary(view, file);
        }

        IDataView loaded = _rig.Context.Data.LoadFromBinary(path);
        Assert.That(EstimatorContract.Describe(loaded.Schema).Last(), Is.EqualTo(EstimatorContract.Describe(view.Schema).Last()));
        Assert.That(EstimatorContract.Values(loaded), Is.EqualTo(EstimatorContract.Values(view)));
    }

    [Test]
    public void APredictionEngineGivesTheTablesVideos()
    {
        float[][] values = EstimatorContract.Values(_transformer.Transform(_rig.Prompts));
        var options = new PredictionEngineOptions { OwnsTransformer = false };
        using (PredictionEngine<PromptRow, VideoRow> engine = _rig.Context.Model.CreatePredictionEngine<PromptRow, VideoRow>(_transformer, options))
        {
            Assert.That(engine.Predict(new PromptRow { Prompt = "a blue square" }).Video, Is.EqualTo(values[1]));
            Assert.That(engine.Predict(new PromptRow { Prompt = "a red circle" }).Video, Is.EqualTo(values[0]));
            Assert.That(engine.Predict(new PromptRow { Prompt = "a red circle" }).Video, Is.EqualTo(values[0]));
        }

        Assert.That(() => _transformer.Transform(_rig.Prompts), Throws.Nothing);
    }

    [Test]
    public void APredictionEngineThatOwnsTheTransformerDisposesItAndNotTheModel()
    {
        _rig.Context.Model.CreatePredictionEngine<PromptRow, VideoRow>(_transformer).Dispose();
        Assert.That(() => _transformer.Transform(_rig.Prompts), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(_rig.Model.Disposals, Is.Zero);
    }

    [Test]
    public void ItDisposesTwiceAndInEitherOrder()
    {
        EstimatorContract.DisposesTwice(_rig.Estimator(), _rig.Prompts);
        Assert.That(_rig.Model.Disposals, Is.Zero, "the caller owns it");
        _rig.Model.Dispose();
        Assert.That(_transformer.Dispose, Throws.Nothing);
    }

    [Test]
    public void WithoutAlignmentTheSeedsStayAndTheWeightsGo()
    {
        using VideoAlignmentTransformer plain = _transformer.WithoutAlignment("BaseVideo");
        IDataView both = plain.Transform(_transformer.Transform(_rig.Prompts));
        Assert.That(both.Schema.Select(column => column.Name), Is.SupersetOf(new[] { "Video", "BaseVideo" }));
        Assert.That(EstimatorContract.Values(both), Is.Not.EqualTo(EstimatorContract.Values(_transformer.Transform(_rig.Prompts))));
        Assert.That(EstimatorContract.Values(both), Is.EqualTo(EstimatorContract.Values(plain.Transform(_rig.Prompts))));
        Assert.That(() => plain.SaveAdapters("never.safetensors"), Throws.InvalidOperationException);
    }

    private static Dictionary<string, float[]> ByPrompt(IDataView view) => view.GetColumn<string>("Prompt").Zip(EstimatorContract.Values(view)).ToDictionary();
}

using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.VideoAlignment.MLNet;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Touches every member of Microsoft.ML that is not public. When a new version breaks one, this says which.</summary>
public class MlNetInteropTests
{
    private readonly MLContext _context = new(seed: 5) { GpuDeviceId = 3, FallbackToCpu = false, TempFilePath = Path.GetTempPath() };

    [Test]
    public void TheEnvironmentOfACatalogSharesTheContextsComponents()
    {
        IHostEnvironment environment = MlNetInterop.GetEnvironment(_context.Transforms);
        Assert.That(environment.ComponentCatalog, Is.SameAs(_context.ComponentCatalog));
    }

    [Test]
    public void SettingsOfTheContextReachItsHosts()
    {
        IHost host = ((IHostEnvironment)_context).Register("inner").Register("outer");
        Assert.That(MlNetInterop.GpuDeviceId(host), Is.EqualTo(3));
        Assert.That(MlNetInterop.FallbackToCpu(host), Is.False);
        Assert.That(MlNetInterop.Seed(MlNetInterop.GetEnvironment(_context.Transforms)), Is.EqualTo(5));
        Assert.That(MlNetInterop.TemporaryFolder(MlNetInterop.GetEnvironment(_context.Transforms)), Is.EqualTo(Path.GetTempPath()));
    }

    [Test]
    public void ShapesAndColumnsAreMade()
    {
        SchemaShape.Column column = MlNetInterop.CreateColumn("X", SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, false, null);
        SchemaShape shape = MlNetInterop.GetShape(_context.Data.LoadFromEnumerable([new PromptRow()]).Schema);
        Assert.That(
            (column.Name, column.Kind, column.ItemType), Is.EqualTo(("X", SchemaShape.Column.VectorKind.Vector, (DataViewType)NumberDataViewType.Single)));
        Assert.That(shape.Select(present => present.Name), Is.EqualTo(new[] { "Prompt", "Draw", "Weight" }));
    }

    [Test]
    public void ATransformerIsSavedAndLoadedThroughTheAccessors()
    {
        MlNetInterop.Register(_context.ComponentCatalog, [(typeof(Stored), Stored.Signature)]);
        MlNetInterop.Register(_context.ComponentCatalog, [(typeof(Stored), Stored.Signature)]);
        using var zip = new MemoryStream();
        _context.Model.Save(new Stored("kept"), null, zip);
        zip.Position = 0;
        ITransformer loaded = _context.Model.Load(zip, out _);
        Stored stored = loaded as Stored ?? (Stored)((IEnumerable<ITransformer>)loaded).Single();
        Assert.That((stored.Text, stored.HasOther), Is.EqualTo(("kept", false)));
    }

    private sealed class Stored(string text, bool hasOther = true) : ITransformer
    {
        public const string Signature = "StoredForTests";

        public string Text => text;

        public bool HasOther => hasOther;

        public bool IsRowToRowMapper => false;

        public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => inputSchema;

        public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => throw new NotSupportedException();

        public IDataView Transform(IDataView input) => input;

        void ICanSaveModel.Save(ModelSaveContext ctx)
        {
            MlNetInterop.SetVersion(ctx, "TESTSTOR", 0x00010001, Signature);
            MlNetInterop.SaveStream(ctx, "entry.bin", writer => writer.Write(text));
        }

        private static ITransformer Create(IHostEnvironment environment, object context)
        {
            string text = "";
            bool found = MlNetInterop.TryLoadStream(context, "entry.bin", reader => text = reader.ReadString());
            Assert.That(found && environment is not null, Is.True);
            return new Stored(text, MlNetInterop.TryLoadStream(context, "other.bin", _ => { }));
        }
    }
}

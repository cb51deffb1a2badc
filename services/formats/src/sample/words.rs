//! Words for names of people, places and businesses in the languages of the trade.

/// The words of one language.
pub(super) struct Words {
    pub(super) given: &'static [&'static str],
    /// First and second halves of family names; a single empty second half where the first is whole.
    pub(super) family: (&'static [&'static str], &'static [&'static str]),
    /// What stands before a thing of nature: in English an adjective, elsewhere a word for an estate.
    pub(super) estate: &'static [&'static str],
    pub(super) nature: &'static [&'static str],
    pub(super) crop: &'static [&'static str],
    pub(super) trade: &'static [&'static str],
    pub(super) legal: &'static [&'static str],
    pub(super) place: &'static [&'static str],
}

pub(super) static ENGLISH: Words = Words {
    given: &[
        "Alice", "Amos", "Beth", "Caleb", "Clara", "Daniel", "Dorothy", "Edith", "Elijah", "Emma", "Ezra",
        "Frank", "Grace", "Hannah", "Harold", "Henry", "Iris", "Jacob", "James", "Joel", "John", "Laura",
        "Levi", "Lydia", "Mabel", "Marcus", "Martha", "Mary", "Nathan", "Olive", "Oscar", "Paul", "Peter",
        "Rachel", "Robert", "Rose", "Ruth", "Samuel", "Sarah", "Silas", "Thomas", "Violet", "Walter",
        "William", "Wyatt", "Yoder",
    ],
    family: (
        &[
        "Ash", "Bald", "Barn", "Beck", "Birch", "Black", "Brad", "Brook", "Carl", "Chad", "Clay", "Cop",
        "Dal", "Dun", "East", "Fair", "Farn", "Green", "Had", "Hart", "Haw", "Hol", "Kirk", "Lang",
        "Lind", "Mar", "Mil", "Nor", "Oak", "Pem", "Red", "Rock", "Shel", "Stan", "Thorn", "Wal", "Wes",
        "Whit", "Win", "Wood",
    ],
        &[
        "acre", "berry", "born", "bridge", "brook", "bury", "by", "combe", "dale", "den", "er", "field",
        "ford", "ham", "hurst", "land", "ley", "lock", "low", "man", "mere", "more", "shaw", "stead",
        "stone", "ton", "wall", "well", "wick", "worth",
    ],
    ),
    estate: &[
        "Amber", "Autumn", "Blue", "Bright", "Broken", "Clear", "Copper", "Crooked", "Early", "Evening",
        "Fallen", "Five", "Four", "Gentle", "Golden", "Green", "Happy", "Hidden", "High", "Hollow",
        "Honest", "Humble", "Laughing", "Little", "Lone", "Lost", "Lucky", "Mossy", "New", "Noble", "Old",
        "Patient", "Plain", "Quiet", "Red", "Rising", "Rolling", "Rugged", "Running", "Rustic", "Shady",
        "Silver", "Singing", "Smiling", "Spring", "Steady", "Still", "Sunny", "Sweet", "Tall", "Three",
        "True", "Twin", "Two", "Upper", "Wandering", "White", "Wild", "Winter", "Young",
    ],
    nature: &[
        "Badger", "Barley", "Bear", "Bee", "Bend", "Birch", "Bluff", "Branch", "Brook", "Canyon", "Cedar",
        "Clover", "Creek", "Crow", "Dawn", "Deer", "Dove", "Eagle", "Elm", "Falcon", "Fern", "Field",
        "Fox", "Garden", "Goose", "Grove", "Harbor", "Hare", "Hawk", "Heron", "Hill", "Hollow", "Island",
        "Lake", "Lark", "Leaf", "Maple", "Meadow", "Mesa", "Moon", "Oak", "Orchard", "Otter", "Owl",
        "Pasture", "Pine", "Pond", "Prairie", "Quail", "Rabbit", "Ridge", "River", "Robin", "Rock",
        "Root", "Sky", "Sparrow", "Stone", "Thistle", "Valley", "Willow", "Wren",
    ],
    crop: &[
        "Almond", "Apple", "Barley", "Bean", "Berry", "Cattle", "Cherry", "Citrus", "Coffee", "Corn",
        "Cotton", "Dairy", "Egg", "Flour", "Fruit", "Garlic", "Grain", "Grape", "Hay", "Herb", "Honey",
        "Hop", "Juice", "Lamb", "Lettuce", "Maple", "Milk", "Mushroom", "Nut", "Oat", "Olive", "Onion",
        "Pasta", "Peach", "Pear", "Poultry", "Rice", "Seed", "Soy", "Spice", "Tea", "Tomato", "Vegetable",
        "Wheat", "Wine",
    ],
    trade: &[
        "Acres", "Bakery", "Brands", "Company", "Cooperative", "Distributors", "Farm", "Farms", "Foods",
        "Gardens", "Growers", "Homestead", "Imports", "Ingredients", "Kitchen", "Market", "Mill",
        "Naturals", "Orchards", "Organics", "Packing", "Processors", "Produce", "Products", "Provisions",
        "Ranch", "Roasters", "Supply", "Trading", "Vineyards",
    ],
    legal: &["", "", "", ", Inc.", ", LLC", " Co.", " Corp.", " Inc", " LLC", " LLP", " Ltd."],
    place: &[
        "Adair", "Bingham", "Calumet", "Dakota", "Elkhorn", "Fremont", "Gallatin", "Hanover", "Iona",
        "Juniper", "Kenwood", "Lancaster", "Madison", "Nelson", "Orland", "Palouse", "Quincy", "Rutland",
        "Salem", "Tillamook", "Union", "Vernon", "Warren", "Yakima",
    ],
};

pub(super) static SPANISH: Words = Words {
    given: &[
        "Álvaro", "Ana", "Andrés", "Beatriz", "Carmen", "César", "Damián", "Diego", "Elena", "Esteban",
        "Fabián", "Félix", "Gloria", "Gonzalo", "Inés", "Jesús", "Joaquín", "José", "Julián", "Lucía",
        "Luz", "María", "Martín", "Mercedes", "Nicolás", "Óscar", "Paula", "Pilar", "Ramón", "Raúl",
        "Rocío", "Rosa", "Sofía", "Tomás", "Ximena",
    ],
    family: (
        &[
        "Acosta", "Aguilar", "Álvarez", "Benítez", "Cabrera", "Castañeda", "Chávez", "Córdova", "Díaz",
        "Domínguez", "Escobar", "Espinoza", "Fernández", "Flores", "Gálvez", "García", "Guzmán",
        "Hernández", "Huamán", "Ibáñez", "Jiménez", "León", "López", "Mamani", "Martínez", "Medina",
        "Méndez", "Muñoz", "Núñez", "Ordóñez", "Ortega", "Peña", "Pérez", "Quispe", "Ramírez", "Ríos",
        "Rodríguez", "Rojas", "Salazar", "Sánchez", "Soto", "Torres", "Ureña", "Valdés", "Vásquez",
        "Vega", "Yáñez", "Zamora", "Zúñiga",
    ],
        &[""],
    ),
    estate: &[
        "Agrícola", "Cafetal", "Campo", "Chacra", "El Rancho", "Estancia", "Finca", "Granja", "Hacienda",
        "Huerta", "La Parcela", "Monte", "Quinta", "Valle",
    ],
    nature: &[
        "Agua Dulce", "Alta Vista", "Buena Esperanza", "Cerro Azul", "Cielo Abierto", "El Colibrí",
        "El Cóndor", "El Mirador", "El Nogal", "El Roble", "Flor de Mayo", "La Cascada", "La Colina",
        "La Esmeralda", "La Golondrina", "La Palma", "Las Abejas", "Las Nubes", "Los Andes", "Los Cedros",
        "Los Pinos", "Luna Nueva", "Monte Verde", "Nueva Vida", "Ojo de Agua", "Piedra Blanca",
        "Río Claro", "San Isidro", "Santa Lucía", "Tierra Fértil", "Tres Ríos", "Valle Hermoso",
    ],
    crop: &[
        "Aguacates", "Ajo", "Arándanos", "Azúcar", "Bananos", "Cacao", "Café", "Cítricos", "Espárragos",
        "Frutas", "Garbanzos", "Granos", "Hortalizas", "Jengibre", "Limones", "Mangos", "Miel", "Piñas",
        "Quinua", "Tomates", "Uvas",
    ],
    trade: &[
        "Agroexportadora", "Alimentos", "Asociación de Productores", "Comercializadora", "Cooperativa",
        "Empacadora", "Exportaciones", "Grupo Agrícola", "Industrias", "Procesadora",
        "Productores Unidos", "Sociedad Agrícola",
    ],
    legal: &[
        "", " C.A.", " S. de R.L.", " S.A.", " S.A. de C.V.", " S.A.C.", " S.A.S.", " S.P.R. de R.L.",
        " SRL",
    ],
    place: &[
        "Arequipa", "Ayacucho", "Cajamarca", "Chiapas", "Colima", "Cuenca", "Huánuco", "Jalisco", "Jaén",
        "Loja", "Los Ríos", "Mendoza", "Michoacán", "Nariño", "Oaxaca", "Piura", "Querétaro", "Salta",
        "San Martín", "Santander", "Sinaloa", "Tumbes", "Veracruz", "Yucatán",
    ],
};

pub(super) static PORTUGUESE: Words = Words {
    given: &[
        "Adão", "Antônio", "Bento", "Caetano", "Cecília", "Conceição", "Estêvão", "Fátima", "Inácio",
        "João", "Júlia", "Luís", "Mateus", "Raimundo", "Sebastião", "Simão", "Teresa", "Vitória",
    ],
    family: (
        &[
        "Almeida", "Araújo", "Assunção", "Barbosa", "Brandão", "Carvalho", "Conceição", "Falcão",
        "Figueiredo", "Gonçalves", "Guimarães", "Leitão", "Magalhães", "Moraes", "Nogueira", "Oliveira",
        "Peixoto", "Queirós", "Simões", "Teixeira", "Valadão", "Vilaça",
    ],
        &[""],
    ),
    estate: &["Chácara", "Engenho", "Fazenda", "Herdade", "Quinta", "Recanto", "Roça", "Sítio"],
    nature: &[
        "Água Limpa", "Alvorada", "Barra Mansa", "Boa Esperança", "Campo Belo", "Céu Azul",
        "Lagoa Grande", "Monte Alegre", "Ouro Verde", "Pedra Branca", "Pôr do Sol", "Primavera",
        "Ribeirão", "Santa Inês", "São João", "Serra Verde", "Três Irmãos", "Vista Alegre",
    ],
    crop: &[
        "Açúcar", "Açaí", "Amêndoas", "Arroz", "Azeite", "Cacau", "Café", "Castanhas", "Frutas", "Grãos",
        "Laranjas", "Mamão", "Mel", "Soja", "Vinhos",
    ],
    trade: &[
        "Agropecuária", "Alimentos", "Associação dos Produtores", "Comércio", "Cooperativa",
        "Exportadora", "Indústria", "Produtos Naturais",
    ],
    legal: &["", " EIRELI", " Lda.", " Ltda.", " ME", " S.A."],
    place: &[
        "Alentejo", "Bahia", "Goiás", "Ilhéus", "Maranhão", "Minas", "Pará", "Paraná", "Piauí",
        "Santarém", "São Paulo", "Trás-os-Montes",
    ],
};

pub(super) static FRENCH: Words = Words {
    given: &[
        "Aimée", "Benoît", "Céline", "Émile", "Étienne", "François", "Gaëlle", "Geneviève", "Hélène",
        "Jérôme", "Joël", "Léa", "Loïc", "Noémie", "Renée", "Rémi", "Solène", "Théo",
    ],
    family: (
        &[
        "Bel", "Bois", "Châtel", "Clair", "Cour", "Dub", "Fléch", "Garn", "Grand", "Haut", "Lefè", "Mén",
        "Mont", "Péri", "Roch", "Vall", "Vigner",
    ],
        &["ard", "aud", "é", "eau", "elle", "eron", "et", "ier", "ois", "on", "ot", "val"],
    ),
    estate: &["Château", "Clos", "Domaine", "Ferme", "Jardins", "Mas", "Moulin", "Vergers"],
    nature: &[
        "de l'Abeille", "de l'Étang", "de la Forêt", "de la Rivière", "de la Vallée", "des Chênes",
        "des Collines", "des Érables", "des Lilas", "des Quatre Vents", "du Bocage", "du Côteau",
        "du Grand Pré", "du Lavoir", "du Soleil", "du Vieux Puits",
    ],
    crop: &[
        "Amandes", "Blés", "Céréales", "Fruits", "Huiles", "Légumes", "Lentilles", "Miels", "Pommes",
        "Sirops", "Tisanes", "Vanilles", "Vins",
    ],
    trade: &[
        "Coopérative", "Établissements", "GAEC", "Groupement", "Maison", "Négoce", "Société Agricole",
        "Transformateurs",
    ],
    legal: &["", " EARL", " et Fils", " S.A.", " SARL", " SAS", " Inc.", " Ltée"],
    place: &[
        "Antsirabe", "Ardèche", "Beauce", "Berry", "Charlevoix", "Drôme", "Gaspésie", "Gers", "Landes",
        "Outaouais", "Provence", "Quercy", "Vendée",
    ],
};

pub(super) static GERMAN: Words = Words {
    given: &[
        "Anneliese", "Björn", "Franz", "Günther", "Heidi", "Jörg", "Jürgen", "Käthe", "Sönke", "Ursula",
    ],
    family: (
        &[
        "Acker", "Bach", "Baum", "Berg", "Eich", "Grün", "Hof", "Korn", "Küh", "Mühl", "Ober", "Stein",
        "Weiß",
    ],
        &[
        "auer", "bauer", "berger", "egger", "huber", "inger", "mann", "meier", "müller", "ner",
    ],
    ),
    estate: &["Bauernhof", "Biohof", "Gut", "Hofgut", "Landgut", "Obsthof"],
    nature: &[
        "am Bächle", "am Wald", "an der Mühle", "Birkengrund", "Eschenhöhe", "Fuchsloch", "Grünau",
        "Lindenhof", "Rebenblick", "Sonnental",
    ],
    crop: &[
        "Apfel", "Gemüse", "Gewürz", "Getreide", "Honig", "Käse", "Kräuter", "Obst", "Öl", "Saft", "Tee",
    ],
    trade: &[
        "Handel", "Handelshaus", "Importe", "Kontor", "Mühle", "Naturkost", "Vertrieb", "Verarbeitung",
    ],
    legal: &["", " AG", " e.K.", " eG", " GmbH", " GmbH & Co. KG", " OG"],
    place: &[
        "Allgäu", "Breisgau", "Burgenland", "Franken", "Kärnten", "Münsterland", "Thüringen", "Wachau",
    ],
};

pub(super) static ITALIAN: Words = Words {
    given: &[
        "Alessia", "Bruno", "Chiara", "Donato", "Elisa", "Fabrizio", "Giosuè", "Livia", "Niccolò", "Zoè",
    ],
    family: (
        &[
        "Bel", "Bianc", "Cam", "Cast", "Fior", "Fon", "Gall", "Mar", "Mont", "Ross", "Sal", "Vill",
    ],
        &["anese", "ardi", "elli", "ese", "etti", "iani", "ino", "olli", "oni", "ucci"],
    ),
    estate: &[
        "Agriturismo", "Azienda Agricola", "Cascina", "Fattoria", "Masseria", "Podere", "Tenuta",
    ],
    nature: &[
        "Bella Luna", "Casa Rossa", "Colle Fiorito", "dei Gelsi", "degli Ulivi", "del Poggio",
        "La Quercia", "Libertà", "Monte Chiaro", "San Nicolò", "Terra Nostra", "Valle d'Oro",
    ],
    crop: &[
        "Agrumi", "Castagne", "Farine", "Formaggi", "Grano", "Mandorle", "Olio", "Pomodori", "Riso",
        "Vini",
    ],
    trade: &[
        "Commercio", "Cooperativa", "Frantoio", "Industria Alimentare", "Oleificio", "Prodotti",
        "Trasformazione",
    ],
    legal: &["", " S.a.s.", " S.p.A.", " S.r.l.", " Soc. Agr. Coop.", " s.s."],
    place: &[
        "Basilicata", "Capitanata", "Chianti", "Irpinia", "Langhe", "Maremma", "Molise", "Salento",
    ],
};

pub(super) static TURKISH: Words = Words {
    given: &[
        "Ayşe", "Barış", "Çağla", "Doğan", "Emine", "Fırat", "Gülşen", "Hüseyin", "İbrahim", "Mehmet",
        "Özgür", "Şule", "Ümit", "Yağmur",
    ],
    family: (
        &[
        "Ak", "Alt", "Bağ", "Çelik", "Dağ", "Demir", "Gök", "Güneş", "Kara", "Koç", "Öz", "Taş", "Yıl",
        "Yeşil",
    ],
        &["bulut", "can", "dağ", "er", "kaya", "lı", "maz", "oğlu", "soy", "türk"],
    ),
    estate: &["Bağ", "Bahçe", "Çiftlik", "Ova", "Tarla", "Yayla"],
    nature: &[
        "Altınbaşak", "Beyazdere", "Çamlıca", "Doğuş", "Gündoğdu", "Karabağ", "Kırmızıtoprak",
        "Sarıçiçek", "Şirin", "Yeşilova", "Zeytinli",
    ],
    crop: &[
        "Bakliyat", "Fındık", "İncir", "Kayısı", "Kuru Üzüm", "Mercimek", "Nohut", "Zeytinyağı",
    ],
    trade: &[
        "Dış Ticaret", "Gıda", "İhracat", "Kooperatifi", "Pazarlama", "Tarım", "Tarım Ürünleri",
    ],
    legal: &["", " A.Ş.", " Ltd. Şti.", " San. ve Tic. A.Ş.", " Tic. Ltd. Şti."],
    place: &[
        "Aydın", "Çorum", "Gaziantep", "İzmir", "Malatya", "Manisa", "Muş", "Şanlıurfa", "Yozgat",
    ],
};

pub(super) static VIETNAMESE: Words = Words {
    given: &[
        "Anh Dũng", "Bảo Châu", "Đức Minh", "Hồng Nhung", "Kim Liên", "Mỹ Hạnh", "Quốc Việt", "Thu Thủy",
        "Văn Hùng",
    ],
    family: (
        &[
        "Bùi", "Đặng", "Đỗ", "Hoàng", "Huỳnh", "Lê", "Ngô", "Nguyễn", "Phạm", "Phan", "Trần", "Võ", "Vũ",
    ],
        &[""],
    ),
    estate: &["Đồn điền", "Hợp tác xã", "Nông trại", "Trang trại", "Vườn"],
    nature: &[
        "Ánh Dương", "Bình Minh", "Đồi Xanh", "Hạt Vàng", "Hoa Sen", "Mùa Xuân", "Núi Cao", "Sông Hồng",
        "Suối Mát",
    ],
    crop: &[
        "Cà phê", "Chè", "Dừa", "Gạo", "Gừng", "Hạt điều", "Hồ tiêu", "Quế", "Trái cây", "Xoài",
    ],
    trade: &["Chế biến", "Công ty TNHH", "Sản xuất", "Thực phẩm", "Thương mại", "Xuất nhập khẩu"],
    legal: &["", " Co., Ltd", " JSC", " MTV"],
    place: &[
        "Bến Tre", "Cần Thơ", "Đà Lạt", "Đắk Lắk", "Gia Lai", "Hà Giang", "Lâm Đồng", "Sóc Trăng",
        "Yên Bái",
    ],
};

pub(super) static INDIAN: Words = Words {
    given: &[
        "Arjun", "Deepa", "Gopal", "Indira", "Kavita", "Lakshmi", "Mohan", "Nandini", "Prakash", "Rajesh",
        "Sunita", "Vijay",
    ],
    family: (
        &[
        "Agra", "Bala", "Chand", "Deo", "Gupt", "Jay", "Kris", "Man", "Nar", "Pat", "Ram", "Shan", "Tri",
        "Ven",
    ],
        &[
        "an", "dhi", "esh", "kar", "lal", "mani", "nath", "pal", "singh", "swamy", "vedi", "wal",
    ],
    ),
    estate: &[
        "Annapurna", "Bharat", "Dhanya", "Ganga", "Jaivik", "Krishi", "Prakriti", "Sanjivani", "Shakti",
        "Surya",
    ],
    nature: &[
        "Bhoomi", "Dhara", "Hari", "Kiran", "Kisan", "Mitra", "Tara", "Vana", "Vayu", "Vriksh",
    ],
    crop: &[
        "Basmati", "Cashew", "Cotton", "Ginger", "Guar", "Pulses", "Sesame", "Soya", "Spices", "Sugar",
        "Tea", "Turmeric",
    ],
    trade: &[
        "Agro", "Agro Industries", "Exim", "Exports", "Farmer Producer Company", "Foods", "Growers Group",
        "Mills", "Overseas", "Traders",
    ],
    legal: &["", " & Co.", " & Sons", " Limited", " LLP", " Private Limited", " Pvt. Ltd."],
    place: &[
        "Araku", "Bhopal", "Coorg", "Darjeeling", "Indore", "Kutch", "Mysuru", "Nagpur", "Ratlam",
        "Wayanad",
    ],
};

pub(super) static MALAY: Words = Words {
    given: &[
        "Adi", "Ayu", "Budi", "Citra", "Dewi", "Eka", "Gita", "Joko", "Nur", "Putra", "Rini", "Sari",
        "Wayan",
    ],
    family: (
        &[
        "Adi", "Bimo", "Dar", "Hadi", "Kusu", "Mul", "Nata", "Prana", "Raha", "Santo", "Wibi", "Wira",
    ],
        &["ma", "man", "nto", "putra", "sari", "sono", "tama", "wan", "wati", "yadi"],
    ),
    estate: &["Bumi", "Kebun", "Kelompok Tani", "Ladang", "Perkebunan", "Tanah"],
    nature: &[
        "Alam Hijau", "Bintang Timur", "Embun Pagi", "Gunung Biru", "Hujan Emas", "Lembah Subur",
        "Matahari", "Rimba Jaya",
    ],
    crop: &[
        "Cengkeh", "Gula Aren", "Jahe", "Kakao", "Kelapa", "Kopi", "Lada", "Pala", "Teh", "Vanili",
    ],
    trade: &["Agro", "Ekspor", "Koperasi", "Makmur", "Niaga", "Pangan", "Usaha Bersama"],
    legal: &["", " CV", " Pte. Ltd.", " PT", " Tbk"],
    place: &["Aceh", "Bali", "Flores", "Gayo", "Jawa", "Kerinci", "Lombok", "Sulawesi", "Toraja"],
};
